//! The rules of one room and of its server: read by every door before an act,
//! changed by those who may, kept in the store.

use std::sync::{Arc, PoisonError, RwLock};

use crate::base::RoomId;
use crate::policy::{Action, BrokenRules, Decision, Effect, Explanation, Named, Rule, RuleSet, Rules, Scope};
use crate::store::{Store, StoreError};

/// Where the rules of all rooms are kept.
const SERVER: &str = "rules";

/// Why rules were not changed. The old ones stand.
#[derive(Debug, thiserror::Error)]
pub enum RulebookError {
    #[error(transparent)]
    Broken(#[from] BrokenRules),
    #[error("the rules cannot be kept: {0}")]
    Store(#[from] StoreError),
}

/// The server's rules, which all rooms share.
pub struct ServerRules {
    default: Effect,
    rules: RwLock<Arc<RuleSet>>,
}

/// The rules of one room, with the server's.
pub struct Rulebook {
    store: Store,
    room: RoomId,
    server: Arc<ServerRules>,
    rules: RwLock<Arc<RuleSet>>,
    /// Where its people have been or sent somebody, since the server started.
    named: Named,
    /// Both together, for those who decide, and what they were made from.
    compiled: RwLock<Compiled>,
    /// Held while rules are changed, so that no change is lost under another.
    changing: tokio::sync::Mutex<()>,
}

struct Compiled {
    server: Arc<RuleSet>,
    room: Arc<RuleSet>,
    rules: Arc<Rules>,
}

fn key(room: &RoomId) -> String {
    format!("rules.{room}")
}

/// What is in the store. What cannot be read any more is an error, not no rules.
async fn kept(store: &Store, key: &str) -> Result<RuleSet, RulebookError> {
    match store.setting(key).await? {
        Some(text) => Ok(RuleSet::parse(&text)?),
        None => Ok(RuleSet::default()),
    }
}

fn read<T>(lock: &RwLock<Arc<T>>) -> Arc<T> {
    Arc::clone(&lock.read().unwrap_or_else(PoisonError::into_inner))
}

impl ServerRules {
    pub async fn open(
        store: &Store,
        default: Effect,
        given: Option<RuleSet>,
    ) -> Result<Arc<Self>, RulebookError> {
        let rules = match given {
            Some(rules) => rules,
            None => kept(store, SERVER).await?,
        };
        Ok(Arc::new(Self { default, rules: RwLock::new(Arc::new(rules)) }))
    }

    pub fn set(&self) -> Arc<RuleSet> {
        read(&self.rules)
    }

    /// Puts other rules in place, at once for all rooms.
    pub async fn replace(&self, store: &Store, rules: RuleSet) -> Result<(), RulebookError> {
        store.put_setting(SERVER, rules.print()).await?;
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
        Ok(())
    }
}

impl Rulebook {
    pub async fn open(store: Store, room: RoomId, server: Arc<ServerRules>) -> Result<Self, RulebookError> {
        let rules = Arc::new(kept(&store, &key(&room)).await?);
        let shared = server.set();
        let named = Named::default();
        let compiled = Arc::new(Rules::new(server.default, &shared, &rules).naming(named.clone()));
        let compiled = Compiled { server: shared, room: Arc::clone(&rules), rules: compiled };
        Ok(Self {
            store,
            room,
            server,
            rules: RwLock::new(rules),
            named,
            compiled: RwLock::new(compiled),
            changing: tokio::sync::Mutex::default(),
        })
    }

    /// All that is decided by, as it is now.
    pub fn rules(&self) -> Arc<Rules> {
        let (server, room) = (self.server.set(), read(&self.rules));
        {
            let compiled = self.compiled.read().unwrap_or_else(PoisonError::into_inner);
            if Arc::ptr_eq(&compiled.server, &server) && Arc::ptr_eq(&compiled.room, &room) {
                return Arc::clone(&compiled.rules);
            }
        }
        let rules = Rules::new(self.server.default, &server, &room).naming(self.named.clone());
        let rules = Arc::new(rules);
        let compiled = Compiled { server, room, rules: Arc::clone(&rules) };
        *self.compiled.write().unwrap_or_else(PoisonError::into_inner) = compiled;
        rules
    }

    /// What its people have named.
    pub fn named(&self) -> &Named {
        &self.named
    }

    /// The rules of one scope, as a document.
    pub fn set(&self, scope: Scope) -> Arc<RuleSet> {
        match scope {
            Scope::Server => self.server.set(),
            Scope::Room => read(&self.rules),
        }
    }

    /// Puts other rules in place, at once.
    pub async fn replace(&self, scope: Scope, rules: RuleSet) -> Result<(), RulebookError> {
        let _changing = self.changing.lock().await;
        self.put(scope, rules).await
    }

    async fn put(&self, scope: Scope, rules: RuleSet) -> Result<(), RulebookError> {
        match scope {
            Scope::Server => self.server.replace(&self.store, rules).await?,
            Scope::Room => {
                self.store.put_setting(key(&self.room), rules.print()).await?;
                *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
            }
        }
        Ok(())
    }

    /// Adds one rule to the room's.
    pub async fn add(&self, rule: Rule) -> Result<(), RulebookError> {
        let _changing = self.changing.lock().await;
        let rules = read(&self.rules).with(rule)?;
        self.put(Scope::Room, rules).await
    }

    pub fn decide(&self, action: &Action) -> Decision {
        self.rules().decide(action)
    }

    pub fn explain(&self, action: &Action) -> Explanation {
        self.rules().explain(action)
    }
}
