//! What waits for people: permissions with the real arguments of their calls,
//! and questions. Each ends once, and says why.

use std::time::Instant;

use serde_json::Value;

use super::super::convert;
use super::super::events::{PermissionInfo, QuestionInfo};
use super::records::{Record, Waiting};
use super::{MOST_PENDING, Overdue, PATIENCE, Reducer};
use crate::copilot::model::{Gone, Id, Update};

impl Reducer {
    /// Somebody's answer is on its way: nobody else's counts any more.
    pub fn handle_answer(&mut self, id: &Id) -> Vec<Update> {
        let mut updates = self.end_permission(id, Gone::Answered);
        updates.extend(self.end_question(id, Gone::Answered));
        updates
    }

    /// Withdraws what nobody answered in time, and says what to refuse.
    pub fn handle_timeout(&mut self, now: Instant) -> (Vec<Update>, Vec<Overdue>) {
        let over = |since: Instant| since + PATIENCE <= now;
        let permissions: Vec<_> = self.permissions.values().filter(|one| over(one.since)).collect();
        let permissions: Vec<_> =
            permissions.iter().map(|one| (one.what.session.clone(), one.what.id.clone())).collect();
        let questions: Vec<_> = self.questions.values().filter(|one| over(one.since)).collect();
        let questions: Vec<_> = questions.iter().map(|one| one.what.id.clone()).collect();
        let (mut updates, mut overdue) = (vec![], vec![]);
        for (session, id) in permissions {
            updates.extend(self.end_permission(&id, Gone::Expired));
            overdue.push(Overdue::Permission { session, id });
        }
        for id in questions {
            updates.extend(self.end_question(&id, Gone::Expired));
            overdue.push(Overdue::Question { id });
        }
        (updates, overdue)
    }

    /// A permission gets the arguments of its call, which come after it.
    pub(super) fn join(&mut self, session: &Id, call: &str, name: &str, input: &Value) -> Vec<Update> {
        if input.as_object().is_none_or(serde_json::Map::is_empty) {
            return vec![];
        }
        let mut updates = vec![];
        for Waiting { what, .. } in self.permissions.values_mut() {
            if what.session == *session
                && what.call.as_deref() == Some(call)
                && (what.input != *input || what.tool != name || !what.complete)
            {
                what.input = input.clone();
                what.complete = true;
                name.clone_into(&mut what.tool);
                updates.push(Update::Permission { permission: what.clone() });
            }
        }
        updates
    }

    pub(super) fn ask(&mut self, info: PermissionInfo, since: Instant) -> Vec<Update> {
        let works = self.sessions.get(&info.session).is_some_and(Record::works);
        if !works || self.permissions.len() >= MOST_PENDING {
            return vec![];
        }
        let root = self.root(&info.session);
        let mut what = convert::permission(info, root);
        let call = what.call.as_deref().and_then(|call| self.call(&what.session, call));
        if let Some((_, _, tool)) = call
            && tool.input.as_object().is_some_and(|input| !input.is_empty())
        {
            (what.tool, what.input) = (tool.name.clone(), tool.input.clone());
            what.complete = true;
        }
        let shown = what.clone();
        self.permissions.insert(what.id.clone(), Waiting { since, what });
        let part = self.show_call(&shown.session, shown.call.as_deref());
        std::iter::once(Update::Permission { permission: shown }).chain(part).collect()
    }

    pub(super) fn ask_question(&mut self, info: QuestionInfo, since: Instant) -> Vec<Update> {
        let works = self.sessions.get(&info.session).is_some_and(Record::works);
        if !works || self.questions.len() >= MOST_PENDING {
            return vec![];
        }
        let root = self.root(&info.session);
        let what = convert::question(info, root);
        let shown = what.clone();
        self.questions.insert(what.id.clone(), Waiting { since, what });
        let part = self.show_call(&shown.session, shown.call.as_deref());
        std::iter::once(Update::Question { question: shown }).chain(part).collect()
    }

    pub(super) fn end_permission(&mut self, id: &Id, why: Gone) -> Vec<Update> {
        let Some(Waiting { what, .. }) = self.permissions.remove(id) else { return vec![] };
        let part = self.show_call(&what.session, what.call.as_deref());
        let gone = Update::PermissionGone { session: what.session, permission: id.clone(), why };
        std::iter::once(gone).chain(part).collect()
    }

    pub(super) fn end_question(&mut self, id: &Id, why: Gone) -> Vec<Update> {
        let Some(Waiting { what, .. }) = self.questions.remove(id) else { return vec![] };
        let part = self.show_call(&what.session, what.call.as_deref());
        let gone = Update::QuestionGone { session: what.session, question: id.clone(), why };
        std::iter::once(gone).chain(part).collect()
    }

    pub(super) fn end_all_of(&mut self, session: &Id, why: Gone) -> Vec<Update> {
        let permissions = self.permissions().filter(|one| one.session == *session);
        let permissions: Vec<_> = permissions.map(|one| one.id.clone()).collect();
        let questions = self.questions().filter(|one| one.session == *session);
        let questions: Vec<_> = questions.map(|one| one.id.clone()).collect();
        let mut updates: Vec<_> = permissions.iter().flat_map(|id| self.end_permission(id, why)).collect();
        updates.extend(questions.iter().flat_map(|id| self.end_question(id, why)).collect::<Vec<_>>());
        updates
    }
}
