//! What tools do not do, and what of their answers is not given, for the sake
//! of a person's private moment.

use super::answer::{Done, Fault};
use crate::base::{Before, Privacy};
use crate::browser::Tab;

/// They speak with people and see nothing of the page by themselves.
const TALK: [&str; 4] = ["say", "request_help", "wait_for_user", "browser_get_config"];
/// They could read a field in a form that nobody would recognise: by code, in
/// pieces, by trying.
const READS_FIELDS: [&str; 6] = [
    "browser_evaluate",
    "browser_run_code_unsafe",
    "browser_resume",
    "browser_heap_snapshot",
    "browser_verify_value",
    "browser_pdf_save",
];

const PRIVATE: &str = "a person is in a private moment: you see and do nothing until it is over. Wait with wait_for_user \
                       or try again in a while; do not ask for what the person types";
const WAS_PRIVATE: &str = "a person was in a private moment while this call was on its way, so what it saw is not told; \
                           look at the page again once it is over";
const SEALED: &str = "what a person typed in private, or a secret, stands on this page, so that code, heaps and comparisons are refused \
                      here until the page is left. Outlines, pictures and acts go on";

fn talks(tool: &str) -> bool {
    TALK.contains(&tool)
}

/// Why this tool is not for now, if it is not.
pub(super) fn refused(privacy: &Privacy, tool: &str, tab: Option<&Tab>) -> Option<Fault> {
    if privacy.is_on() && !talks(tool) {
        return Some(Fault::new("private", PRIVATE));
    }
    let sealed = READS_FIELDS.contains(&tool) && tab.is_some_and(|tab| privacy.is_sealed(tab.target()));
    sealed.then(|| Fault::new("private", SEALED))
}

/// What is given of an answer.
pub(super) fn given(privacy: &Privacy, tool: &str, since: Before, done: Done) -> Done {
    if !privacy.touched(since) {
        return done;
    }
    match done {
        done if talks(tool) && !privacy.is_on() => done,
        Ok(answer) if talks(tool) => Ok(answer.without_page()),
        // A refusal by the floor says itself whose moment it is.
        Err(fault) if fault.code == "floor" => Err(fault),
        _ => Err(Fault::new("private", WAS_PRIVATE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::answer::Answer;
    use crate::agents::catalogue;

    #[test]
    fn what_is_named_here_is_there() {
        for tool in TALK.iter().chain(&READS_FIELDS) {
            assert!(catalogue::all().iter().any(|entry| entry.tool.name == *tool), "{tool}");
        }
    }

    #[test]
    fn an_answer_that_a_private_moment_touched_is_not_given() {
        let privacy = Privacy::default();
        let since = privacy.now();
        let seen = || Ok(Answer { page: Some(("a".into(), "b".into())), ..Answer::result("seen") });
        assert!(given(&privacy, "browser_snapshot", since, seen()).is_ok());
        privacy.begin(false);
        assert!(refused(&privacy, "browser_snapshot", None).is_some());
        assert!(refused(&privacy, "request_help", None).is_none());
        assert!(given(&privacy, "request_help", since, seen()).is_ok_and(|answer| answer.page.is_none()));
        privacy.end();
        assert!(given(&privacy, "browser_snapshot", since, seen()).is_err());
        assert!(given(&privacy, "browser_snapshot", privacy.now(), seen()).is_ok());
    }
}
