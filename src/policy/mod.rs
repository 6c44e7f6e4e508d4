//! Rules: what may be done at once, what a person must say yes to, and what
//! is never done; and the queue of those questions.
//!
//! Owns the decision and the reason for it. It knows no browser, no clock, no
//! store: actions, rules and the time come in as values.

mod action;
mod approval;
pub mod cdp;
mod command;
mod compiled;
pub mod egress;
mod fold;
mod glob;
mod json;
mod named;
mod needs;
mod parse;
mod place;
mod rule;
mod rules;
mod secret;

pub use action::{Action, Class, ClassError, Target};
pub use approval::{
    Answer, AnswerError, Answered, ApprovalId, ApprovalIdError, ApprovalView, Approvals, Approved, AskError,
    End, Event, Fingerprint, LARGEST_PICTURE, Limits, NotApproved, Request, SessionCall,
};
pub use named::Named;
pub use parse::{BrokenRules, Complaint, LONGEST_DOCUMENT};
pub use place::Place;
pub use rule::{Effect, Matching, OneOrMany, Rule, Scope, TargetPatterns, Who};
pub use rules::{By, Decision, Explanation, MOST_RULES, Near, RuleRef, RuleSet, Rules};
pub use secret::{
    LONGEST_SECRET, MOST_SECRET_ORIGINS, SECRET_PREFIX, SecretKind, SecretName, SecretNameError,
    SecretOrigin, SecretOriginError, Totp, TotpError,
};
