//! The tools, each with its arguments, by the names that Playwright MCP gives
//! them, and ours beside them.

mod acts;
mod annotate;
mod code;
mod console;
mod devtools;
mod emulate;
mod files;
mod forms;
mod go;
mod looks;
mod network;
mod recording;
mod script;
mod secrets;
mod storage;
mod testing;
mod together;
mod video;
mod vision;

#[cfg(test)]
pub(super) use acts::Click;
pub(super) use code::Program;
pub(super) use recording::PeopleRecorded;

use super::tool::{Entry, entry};

/// All of them, in the order in which agents are told of them.
pub(super) fn all() -> Vec<Entry> {
    vec![
        entry::<go::Navigate>(),
        entry::<go::Back>(),
        entry::<looks::Snapshot>(),
        entry::<looks::Find>(),
        entry::<acts::Click>(),
        entry::<acts::Hover>(),
        entry::<acts::Drag>(),
        entry::<files::Drop>(),
        entry::<forms::Type>(),
        entry::<forms::PressKey>(),
        entry::<forms::SelectOption>(),
        entry::<forms::FillForm>(),
        entry::<secrets::Secrets>(),
        entry::<files::Upload>(),
        entry::<looks::Screenshot>(),
        entry::<go::Tabs>(),
        entry::<looks::WaitFor>(),
        entry::<script::Evaluate>(),
        entry::<acts::HandleDialog>(),
        entry::<console::Messages>(),
        entry::<network::Requests>(),
        entry::<network::OneRequest>(),
        entry::<files::Downloads>(),
        entry::<go::Resize>(),
        entry::<go::Close>(),
        entry::<together::WhatChanged>(),
        entry::<together::Say>(),
        entry::<together::RequestHelp>(),
        entry::<together::WaitForUser>(),
        entry::<vision::Move>(),
        entry::<vision::Click>(),
        entry::<vision::Drag>(),
        entry::<vision::Down>(),
        entry::<vision::Up>(),
        entry::<vision::Wheel>(),
        entry::<files::SavePdf>(),
        entry::<testing::GenerateLocator>(),
        entry::<testing::VerifyElement>(),
        entry::<testing::VerifyText>(),
        entry::<testing::VerifyList>(),
        entry::<testing::VerifyValue>(),
        entry::<network::State>(),
        entry::<network::Route>(),
        entry::<network::Routes>(),
        entry::<network::Unroute>(),
        entry::<storage::Cookies>(),
        entry::<storage::OneCookie>(),
        entry::<storage::SetCookie>(),
        entry::<storage::DeleteCookie>(),
        entry::<storage::ClearCookies>(),
        entry::<storage::LocalList>(),
        entry::<storage::LocalGet>(),
        entry::<storage::LocalSet>(),
        entry::<storage::LocalDelete>(),
        entry::<storage::LocalClear>(),
        entry::<storage::SessionList>(),
        entry::<storage::SessionGet>(),
        entry::<storage::SessionSet>(),
        entry::<storage::SessionDelete>(),
        entry::<storage::SessionClear>(),
        entry::<storage::Save>(),
        entry::<storage::Restore>(),
        entry::<emulate::EmulateMedia>(),
        entry::<emulate::Emulate>(),
        entry::<devtools::Highlight>(),
        entry::<devtools::HideHighlight>(),
        entry::<devtools::StartTrace>(),
        entry::<devtools::StopTrace>(),
        entry::<devtools::HeapSnapshot>(),
        entry::<devtools::StartProfile>(),
        entry::<devtools::StopProfile>(),
        entry::<video::StartVideo>(),
        entry::<video::StopVideo>(),
        entry::<video::Chapter>(),
        entry::<video::ShowActions>(),
        entry::<video::HideActions>(),
        entry::<devtools::Config>(),
        entry::<recording::Start>(),
        entry::<recording::Stop>(),
        entry::<code::RunCode>(),
        entry::<code::Resume>(),
        entry::<annotate::Annotate>(),
    ]
}

/// The locator of what was found, else what the agent pointed with.
fn or(code: &str, target: &str) -> String {
    if code.is_empty() { format!("locator({})", quoted(target)) } else { code.to_owned() }
}

/// As code.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// What people read: the agent's own description, else what it pointed with.
fn called(element: Option<&str>, target: &str) -> String {
    element.filter(|text| !text.is_empty()).unwrap_or(target).to_owned()
}

/// The most that one value may add to an answer.
const LONGEST_VALUE: usize = 200_000;

fn bounded(mut text: String) -> String {
    if text.len() > LONGEST_VALUE {
        let at = (0..=LONGEST_VALUE).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(at);
        text.push_str("\n… the value is longer and was cut here");
    }
    text
}
