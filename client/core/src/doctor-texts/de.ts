/** German. */
import type { DoctorTexts } from "./texts.ts";

export const de: DoctorTexts = {
  language: "de",
  title: "Tandem: der Weg zum Bild",
  heading: "Welchen Weg das Bild nimmt",
  tryingAll: "Die Wege von diesem Browser zum Server werden probiert …",
  trying: "wird probiert …",
  fromHere: "Von diesem Browser aus",
  theServer: "Der Server selbst",
  you: "Du",
  checks: {
    store: "Daten",
    disk: "Platte",
    "shared-memory": "Geteilter Speicher",
    rooms: "Räume",
    "user-namespaces": "Sandbox",
  },
  well: "Alles gut.",
  silent: warum => `Der Server gibt keine Auskunft: ${warum}`,
  answered: status => `der Server antwortete ${status}`,
  noRoom: "Dieser Link öffnet keinen Raum, also lässt sich kein Weg probieren.",
  noTurn:
    "Es ist kein TURN-Server eingerichtet (--turn-url). Nötig ist er nur, wo weder UDP noch TCP durchkommt.",
  runs: (version, port, andere) =>
    `${version}, WebRTC an Port ${port} über UDP und TCP${andere.length > 0 ? `, auch als ${andere.join(", ")}` : ""}.`,
  comeFrom: (adresse, sicher) => `kommst von ${adresse}${sicher ? ", über TLS" : ""}.`,
  comeFromProxy: adresse =>
    `kommst von ${adresse}, und das ist ein Proxy: Nenne ihn mit --trusted-proxies, sonst gelten seine Grenzen für alle zusammen.`,
  socketOpens: "Öffnet sich und überträgt Nachrichten.",
  socketBlocked:
    "Öffnet sich nicht, obwohl der Server sonst antwortet. Ein Proxy dazwischen nimmt die Kopfzeile Upgrade weg oder kennt keine WebSockets; in docker/README.md steht, was nginx und andere brauchen.",
  doesNotPlay: warum => `Der Raum spielt nicht ab: ${warum}`,
  notTried: warum => `Der Weg ließ sich nicht probieren: ${warum}`,
  straight: (protokoll, adresse, port) => `${protokoll} direkt zu ${adresse}, Port ${port}`,
  relayed: (durch, adresse, port) =>
    `Durch den TURN-Server${durch ? ` (erreicht über ${durch})` : ""} zu ${adresse}, Port ${port}`,
  thereAndBack: ms => `${ms} ms hin und zurück`,
  noPicture:
    "aber es kam kein Bild hindurch. Vielleicht gehen Pakete voller Größe unterwegs verloren (ein VPN mit kleiner MTU).",
  noTurnWay:
    "Keine Verbindung durch den TURN-Server. Ist sein Port offen (3478 über UDP und TCP), und darf er den WebRTC-Port dieses Servers erreichen?",
  noAddress: protokoll => `Der Server bietet keine Adresse für ${protokoll} an.`,
  onlyPrivate:
    "Es werden nur private Adressen angeboten: Wenn der Server anderswo steht, starte ihn mit --rtc-public-address und seiner öffentlichen.",
  firewall: protokoll =>
    `Eine Firewall auf einer der beiden Seiten verwirft ${protokoll} dort, oder --rtc-public-address ist nicht die Adresse des Servers.`,
  place: (adresse, port) => `${adresse}, Port ${port}`,
  noAnswer: (protokoll, orte) => `Keine Antwort über ${protokoll} von ${orte}.`,
  sum: {
    noSocket:
      "Hier öffnet sich kein Raum: Live-Verbindungen (WebSocket) kommen nicht durch. Mehr steht unten.",
    noWay:
      "Der Raum öffnet sich, aber kein Bild kommt durch: Keiner der Wege unten geht. Einer muss es.",
    turn: "Dieser Browser bekommt das Bild durch den TURN-Server, weil weder UDP noch TCP direkt zum Server kommt.",
    tcp: "Dieser Browser bekommt das Bild über TCP, weil UDP nicht durchkommt. Das geht; wo Pakete verloren gehen, steht das Bild einen Moment.",
    udp: "Dieser Browser bekommt das Bild über UDP, direkt. Das ist der beste Weg.",
  },
};
