/**
 * Every sentence of the doctor's page, as one shape. A language is a value of
 * it: what is missing in one fails the type check. What the server itself
 * says, such as why a check failed, is in English.
 */
export interface DoctorTexts {
  /** As `lang` says it. */
  language: string;
  title: string;
  heading: string;
  /** While nothing is known yet, on top and in each line. */
  tryingAll: string;
  trying: string;
  fromHere: string;
  theServer: string;
  /** The line about where the person comes from. */
  you: string;
  /** The server's checks by their names. */
  checks: Readonly<Record<string, string>>;
  well: string;
  silent(why: string): string;
  answered(status: number): string;
  noRoom: string;
  noTurn: string;
  runs(version: string, port: number, others: readonly string[]): string;
  comeFrom(address: string, secure: boolean): string;
  comeFromProxy(address: string): string;
  socketOpens: string;
  socketBlocked: string;
  doesNotPlay(why: string): string;
  notTried(why: string): string;
  /** The way that connected: straight, or through a TURN server that was itself reached by something. */
  straight(protocol: string, address: string, port: number): string;
  relayed(by: string | null, address: string, port: number): string;
  thereAndBack(milliseconds: number): string;
  noPicture: string;
  noTurnWay: string;
  noAddress(protocol: string): string;
  onlyPrivate: string;
  firewall(protocol: string): string;
  place(address: string, port: number): string;
  noAnswer(protocol: string, places: string): string;
  sum: Readonly<Record<"noSocket" | "noWay" | "turn" | "tcp" | "udp", string>>;
}
