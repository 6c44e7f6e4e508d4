//! Programs of agents: Playwright code that runs in a realm of its own and
//! whose every call is carried out here. It runs neither in this process nor
//! in a page of the room, and what it does needs the floor as any act does.

mod calls;

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use self::calls::{Asked, Taken, listed};
use super::bounded;
use crate::agents::answer::{Answer, Done, Fault};
use crate::agents::call::{Call, Show, within};
use crate::agents::tool::{Kind, Tool};
use crate::base::ToolGroup;
use crate::browser::{Realm, RealmEvent};

const REALM: &str = include_str!("code/realm.js");
/// How long a program may run from its beginning, or from where it was continued.
const LIMIT: Duration = Duration::from_secs(60);
const LONGEST_CODE: usize = 200_000;
/// Bytes of console output that are kept.
const MOST_SAID: usize = 20_000;
/// How often a client is told that its call is still waiting.
const STILL: Duration = Duration::from_secs(5);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct RunCode {
    /// A JavaScript function with Playwright code, invoked with page. For example: async (page) => { await page.getByRole('button', { name: 'Submit' }).click(); return await page.title(); }. page.pause() stops it until browser_resume
    code: Option<String>,
    /// Take the code from this file, laid down with PUT /api/rooms/{room}/files/{name}, instead
    filename: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct Resume {
    /// Pause again before the next call of page
    step: Option<bool>,
    /// Pause before the next call of page at this line of the code or after it, such as "12" or "snippet.js:12"
    location: Option<String>,
}

/// A program on its way.
pub(in crate::agents) struct Program {
    realm: Realm,
    code: String,
    /// The call before which it stopped, and on which it waits.
    stopped: Option<Asked>,
    /// What it wrote to its console since it was told last.
    said: String,
    taken: Taken,
}

/// How far a program goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    End,
    NextCall,
    Line(u32),
}

/// What became of it.
enum Came {
    Ended(Value),
    Paused(Asked),
}

/// What a program tells.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Told {
    Call(Asked),
    Log { level: String, text: String },
    Done { value: Option<String>, error: Option<String> },
}

impl Tool for RunCode {
    const NAME: &'static str = "browser_run_code_unsafe";
    const ABOUT: &'static str = "Run Playwright code. It runs apart from the server and from all pages; what it does to the page is done as by the other tools. At most 60 s at a time";
    const GROUP: ToolGroup = ToolGroup::Devtools;
    const KIND: Kind = Kind::Destroys;

    async fn run(self, call: &mut Call) -> Done {
        let code = match (self.filename, self.code) {
            (Some(name), _) => {
                let bare = name.rsplit(['/', '\\']).next().unwrap_or_default();
                let filed = call.session.shelf.get(&call.session.room, bare);
                let filed = filed.ok_or_else(|| {
                    Fault::argument(format!(
                        "there is no file {bare:?} here; lay it down with PUT /api/rooms/{}/files/{bare}, or give it as code",
                        call.session.room
                    ))
                })?;
                String::from_utf8(filed.bytes.to_vec())
                    .map_err(|_| Fault::argument(format!("{bare} is no text")))?
            }
            (None, Some(code)) => code,
            (None, None) => return Err(Fault::argument("one of code and filename is needed")),
        };
        if code.len() > LONGEST_CODE {
            return Err(Fault::argument(format!("the code is longer than {LONGEST_CODE} bytes")));
        }
        // The old one has nobody who waits for it any more.
        let ended = call.work.paused.take().is_some();
        let tab = call.tab().await?;
        let tabs: Vec<Value> = call.browser.look_at_tabs().await.iter().map(listed).collect();
        call.session.say("runs a script");
        let mut realm = Realm::open(&call.browser, REALM).await?;
        let bare = code.trim().trim_end_matches([';', ' ', '\n', '\r', '\t']);
        // The first line of the code stays the first one.
        let program = format!(
            "__tandem_realm.run(({bare}\n), {}, {});\n//# sourceURL=snippet.js",
            json!(tabs),
            json!(tab.target())
        );
        realm.begin(&program).await?;
        let program =
            Program { realm, code: bare.to_owned(), stopped: None, said: String::new(), taken: None };
        let mut answer = program.go_on(call, Until::End).await?;
        if ended {
            answer.events.push("The code that was paused before has been ended".into());
        }
        Ok(answer)
    }
}

impl Tool for Resume {
    const NAME: &'static str = "browser_resume";
    const ABOUT: &'static str = "Continue the code that browser_run_code_unsafe left paused at page.pause(). With step it pauses again before its next call";
    const GROUP: ToolGroup = ToolGroup::Devtools;
    const KIND: Kind = Kind::Destroys;

    async fn run(self, call: &mut Call) -> Done {
        let until = match (&self.location, self.step) {
            (Some(location), _) => Until::Line(line(location)?),
            (None, Some(true)) => Until::NextCall,
            (None, _) => Until::End,
        };
        let program = call.work.paused.take();
        let program = program.ok_or_else(|| {
            Fault::new(
                "refused",
                "nothing is paused; code pauses with page.pause() in browser_run_code_unsafe",
            )
        })?;
        call.session.say("runs a script");
        program.go_on(call, until).await
    }
}

/// The line in `12` or `some.js:12`.
fn line(location: &str) -> Result<u32, Fault> {
    let line = location.trim().rsplit(':').next().and_then(|line| line.parse().ok());
    line.filter(|line| *line > 0)
        .ok_or_else(|| Fault::argument("location is a line of the code, such as \"12\" or \"snippet.js:12\""))
}

impl Until {
    fn stops_at(self, asked: &Asked) -> bool {
        // Time that passes is no act.
        let counts = !matches!(asked.method.as_str(), "wait" | "tabs" | "look");
        match self {
            _ if asked.method == "pause" => true,
            Until::End => false,
            Until::NextCall => counts,
            Until::Line(line) => counts && asked.line >= line,
        }
    }
}

impl Program {
    /// Lets it run, and tells what came of it. Paused, it is kept in the session.
    async fn go_on(mut self, call: &mut Call, until: Until) -> Done {
        let came = self.run(call, until, within(LIMIT)).await;
        let said = std::mem::take(&mut self.said);
        let taken = self.taken.take();
        let with_said = |text: String| match said.is_empty() {
            true => text,
            false => format!("{text}\n\nConsole:\n{}", said.trim_end()),
        };
        let mut answer = match came {
            Err(fault) => return Err(Fault { text: with_said(fault.text), ..fault }),
            Ok(Came::Ended(value)) => {
                let text = serde_json::to_string_pretty(&value).unwrap_or_default();
                let structured = json!({ "result": value, "paused": null });
                let code = format!("await ({})(page);", self.code);
                Answer {
                    result: Some(with_said(bounded(text))),
                    structured: Some(structured),
                    code: Some(code.replace("```", "` ` `")),
                    ..call.state(Show::Changes).await
                }
            }
            Ok(Came::Paused(asked)) => {
                let at = asked.line;
                let source =
                    self.code.lines().nth((at as usize).saturating_sub(1)).unwrap_or_default().trim();
                let text = format!(
                    "Paused at line {at}: {source}\nContinue with browser_resume, or by step with step: true."
                );
                let structured = json!({ "result": null, "paused": { "line": at, "code": source } });
                let answer = Answer {
                    result: Some(with_said(text)),
                    structured: Some(structured),
                    ..call.state(Show::Whole).await
                };
                self.stopped = Some(asked);
                call.work.paused = Some(self);
                answer
            }
        };
        answer.image = taken;
        Ok(answer)
    }

    async fn run(&mut self, call: &mut Call, until: Until, deadline: Instant) -> Result<Came, Fault> {
        if let Some(asked) = self.stopped.take() {
            self.answer(call, &asked, deadline).await?;
        }
        let mut clock = tokio::time::interval(STILL);
        clock.tick().await;
        loop {
            let event = tokio::select! {
                event = self.realm.next() => event,
                _ = clock.tick() => {
                    call.tell("running the code").await;
                    continue;
                }
                () = tokio::time::sleep_until(deadline) => return Err(out_of_time()),
            };
            let told = match event {
                RealmEvent::Failed(why) => return Err(Fault::new("script_error", why)),
                RealmEvent::Called(told) => told,
            };
            // A program that calls without end is not asked once more than it may.
            if Instant::now() >= deadline {
                return Err(out_of_time());
            }
            match Told::deserialize(told) {
                Ok(Told::Call(asked)) if until.stops_at(&asked) => return Ok(Came::Paused(asked)),
                Ok(Told::Call(asked)) => self.answer(call, &asked, deadline).await?,
                Ok(Told::Log { level, text }) => self.hear(&level, &text),
                Ok(Told::Done { error: Some(error), .. }) => return Err(Fault::new("script_error", error)),
                Ok(Told::Done { value, .. }) => {
                    let value = value.and_then(|text| serde_json::from_str(&text).ok());
                    return Ok(Came::Ended(value.unwrap_or_default()));
                }
                // The program may call what the page's methods call, with whatever it likes.
                Err(error) => return Err(Fault::argument(format!("a call cannot be read: {error}"))),
            }
        }
    }

    /// Does what was asked and gives the program its answer.
    async fn answer(&mut self, call: &mut Call, asked: &Asked, deadline: Instant) -> Result<(), Fault> {
        let done = match asked.method.as_str() {
            "pause" => Ok(Value::Null),
            _ => {
                let doing = asked.carry_out(call, &mut self.taken);
                tokio::time::timeout_at(deadline, doing).await.map_err(|_| out_of_time())?
            }
        };
        let mut answer = match done {
            Ok(value) => json!({ "value": value }),
            Err(fault) => json!({ "error": fault.text }),
        };
        if let Ok(tab) = asked.tab(call).await {
            answer["url"] = tab.url().into();
            answer["title"] = tab.title().into();
            if let Some(dialog) = tab.dialog() {
                answer["dialog"] = json!({
                    "kind": dialog.kind, "message": dialog.message, "defaultPrompt": dialog.default_prompt,
                });
            }
        }
        self.realm.tell(&format!("__tandem_realm.answer({}, {answer})", asked.id)).await?;
        Ok(())
    }

    fn hear(&mut self, level: &str, text: &str) {
        const CUT: &str = "… more was written\n";
        if self.said.len() + text.len() > MOST_SAID {
            if !self.said.ends_with(CUT) {
                self.said.push_str(CUT);
            }
            return;
        }
        let mark = if level == "log" { String::new() } else { format!("[{level}] ") };
        self.said.push_str(&format!("{mark}{text}\n"));
    }
}

fn out_of_time() -> Fault {
    let text = format!("the code did not end within {} s and was stopped", LIMIT.as_secs());
    Fault::new("timed_out", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_a_line_with_or_without_a_file() {
        let told = |location| line(location).map_err(|fault| fault.code);
        assert_eq!(told("12"), Ok(12));
        assert_eq!(told("some.spec.ts:7"), Ok(7));
        assert_eq!(told("0"), Err("bad_argument"));
        assert_eq!(told("some.js"), Err("bad_argument"));
    }
}
