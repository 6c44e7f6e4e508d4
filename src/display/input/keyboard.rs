//! Which keys go down and up on the X server for what a viewer's keys do.
//!
//! A pure state machine. It knows what it holds down, makes Shift fit for the
//! length of one press, repairs modifiers that the viewer's page missed, and
//! maps keysyms that the keymap lacks onto free keycodes. A keycode is never
//! mapped anew while it is held, nor before the program in front has read
//! what was typed with it: that is what [`Op::Barrier`] is for.

use super::layout::{
    Class, Keycode, Layout, character, is_letter, keys, keysym_of, normalise, off_the_pad, writes,
};
use crate::base::Modifiers;

/// What the input thread does, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Key {
        keycode: Keycode,
        down: bool,
    },
    /// The keycode gives this keysym from now on; the X server must have done it before what follows.
    Map {
        keycode: Keycode,
        keysym: u32,
    },
    /// The program in front must have read everything so far before what follows.
    Barrier,
}

/// What a viewer calls a key between its press and its release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Code(u16),
    Keysym(u32),
}

#[derive(Clone, Copy, Debug)]
struct Held {
    name: Name,
    keysym: u32,
    keycode: Keycode,
}

/// A keycode that is free in the keymap and what we use it for.
#[derive(Clone, Copy, Debug)]
struct Spare {
    keycode: Keycode,
    keysym: u32,
    /// Counts presses: the smallest was used longest ago.
    used: u64,
}

#[derive(Debug)]
pub(super) struct Keyboard {
    layout: Layout,
    spares: Vec<Spare>,
    held: Vec<Held>,
    presses: u64,
    /// Presses up to this one have been read by the program in front.
    read: u64,
}

impl Keyboard {
    pub fn new(layout: Layout) -> Self {
        let spares =
            layout.free().iter().map(|keycode| Spare { keycode: *keycode, keysym: 0, used: 0 }).collect();
        Self { layout, spares, held: Vec::new(), presses: 0, read: 0 }
    }

    // Handlers.

    pub fn handle_key(&mut self, keysym: u32, code: u16, down: bool, modifiers: Modifiers) -> Vec<Op> {
        let mut ops = Vec::new();
        let Some(keysym) = normalise(keysym) else { return ops };
        let name = if code == 0 { Name::Keysym(keysym) } else { Name::Code(code) };
        let own = Class::of(keysym);
        for class in Class::ALL.into_iter().filter(|class| Some(*class) != own) {
            match (self.holds(class), class.is_in(modifiers)) {
                (true, false) => self.release_class(class, &mut ops),
                (false, true) => {
                    let left = class.left();
                    if let Some(keycode) = self.layout.find(left, 0) {
                        self.press(Name::Keysym(left), left, keycode, None, &mut ops);
                    }
                }
                _ => {}
            }
        }
        if down {
            self.go_down(name, keysym, code, &mut ops);
        } else {
            self.go_up(name, keysym, code, &mut ops);
        }
        ops
    }

    /// Types a text, with every modifier up while it is typed.
    pub fn handle_text(&mut self, text: &str) -> Vec<Op> {
        let mut ops = Vec::new();
        let modifiers: Vec<Keycode> = self
            .held
            .iter()
            .filter(|held| Class::of(held.keysym).is_some())
            .map(|held| held.keycode)
            .collect();
        ops.extend(modifiers.iter().map(|keycode| Op::Key { keycode: *keycode, down: false }));
        let mut last = ' ';
        for character in text.chars() {
            let is_second_half = last == '\r' && character == '\n';
            last = character;
            let Some(keysym) = keysym_of(character).filter(|_| !is_second_half) else { continue };
            let Some(keycode) = self.key_for(keysym, 0, &mut ops) else { continue };
            // A key that a hand holds down is let go, or its press would be lost.
            if let Some(at) = self.held.iter().position(|held| held.keycode == keycode) {
                self.held.remove(at);
                ops.push(Op::Key { keycode, down: false });
            }
            let shift = self.layout.shift_for(keycode, keysym) == Some(true);
            let shift = self.layout.find(keys::SHIFT_L, 0).filter(|_| shift);
            ops.extend(shift.map(|keycode| Op::Key { keycode, down: true }));
            ops.extend([true, false].map(|down| Op::Key { keycode, down }));
            ops.extend(shift.map(|keycode| Op::Key { keycode, down: false }));
        }
        ops.extend(modifiers.iter().map(|keycode| Op::Key { keycode: *keycode, down: true }));
        ops
    }

    pub fn handle_release_all(&mut self) -> Vec<Op> {
        self.held.drain(..).rev().map(|held| Op::Key { keycode: held.keycode, down: false }).collect()
    }

    fn go_down(&mut self, name: Name, keysym: u32, code: u16, ops: &mut Vec<Op>) {
        let keysym = if self.holds(Class::Shift) { off_the_pad(keysym) } else { keysym };
        let command = [Class::Control, Class::Alt, Class::Meta].into_iter().any(|class| self.holds(class));
        if let Some(at) = self.held.iter().position(|held| held.name == name && held.keysym != keysym) {
            // Its release was missed, or the viewer's layout changed under it.
            let old = self.held.remove(at);
            ops.push(Op::Key { keycode: old.keycode, down: false });
        }
        // A shortcut means the key at this place: Control with a Cyrillic с is still copy.
        let foreign = command && writes(keysym) && self.layout.find(keysym, code).is_none();
        if let Some(keycode) = self.layout.writing_key(code).filter(|_| foreign) {
            return self.press(name, keysym, keycode, None, ops);
        }
        let Some(keycode) = self.key_for(keysym, code, ops) else { return };
        // With a command key the hand's own Shift counts: the capital may come from Caps Lock.
        let shift = self.layout.shift_for(keycode, keysym).filter(|_| !(command && is_letter(keysym)));
        self.press(name, keysym, keycode, shift, ops);
    }

    fn go_up(&mut self, name: Name, keysym: u32, code: u16, ops: &mut Vec<Op>) {
        let other_case = |held: &Held| {
            let folded = |keysym| character(keysym).map(|c| c.to_lowercase().collect::<String>());
            folded(held.keysym).is_some() && folded(held.keysym) == folded(keysym)
        };
        let carries = self.layout.find(keysym, code);
        let at = (self.held.iter().position(|held| held.name == name))
            .or_else(|| self.held.iter().position(|held| held.keysym == keysym))
            .or_else(|| self.held.iter().position(other_case))
            .or_else(|| self.held.iter().position(|held| Some(held.keycode) == carries));
        if let Some(at) = at {
            let held = self.held.remove(at);
            ops.push(Op::Key { keycode: held.keycode, down: false });
        }
    }

    /// Presses a key with Shift as it must be, and Shift back as it was.
    fn press(&mut self, name: Name, keysym: u32, keycode: Keycode, shift: Option<bool>, ops: &mut Vec<Op>) {
        let shifts: Vec<Keycode> = match (shift, self.holds(Class::Shift)) {
            (Some(false), true) => self.keycodes_of(Class::Shift),
            (Some(true), false) => self.layout.find(keys::SHIFT_L, 0).into_iter().collect(),
            _ => Vec::new(),
        };
        let wanted = shift == Some(true);
        ops.extend(shifts.iter().map(|keycode| Op::Key { keycode: *keycode, down: wanted }));
        // The X server swallows a press of a key that is down: a repeat is up and down again.
        let is_repeat = self.held.iter().any(|held| held.keycode == keycode);
        if is_repeat && Class::of(keysym).is_none() {
            ops.push(Op::Key { keycode, down: false });
        }
        ops.push(Op::Key { keycode, down: true });
        ops.extend(shifts.iter().rev().map(|keycode| Op::Key { keycode: *keycode, down: !wanted }));
        if !is_repeat {
            self.held.push(Held { name, keysym, keycode });
        }
    }

    /// A keycode that gives the keysym, mapped in if need be.
    fn key_for(&mut self, keysym: u32, code: u16, ops: &mut Vec<Op>) -> Option<Keycode> {
        if let Some(keycode) = self.layout.find(keysym, code) {
            return Some(keycode);
        }
        self.presses += 1;
        if let Some(spare) = self.spares.iter_mut().find(|spare| spare.keysym == keysym) {
            spare.used = self.presses;
            return Some(spare.keycode);
        }
        let held = &self.held;
        let free = |spare: &&mut Spare| !held.iter().any(|held| held.keycode == spare.keycode);
        let spare = self.spares.iter_mut().filter(free).min_by_key(|spare| spare.used)?;
        if spare.used > self.read {
            ops.push(Op::Barrier);
            self.read = self.presses - 1;
        }
        (spare.keysym, spare.used) = (keysym, self.presses);
        ops.push(Op::Map { keycode: spare.keycode, keysym });
        Some(spare.keycode)
    }

    fn holds(&self, class: Class) -> bool {
        self.held.iter().any(|held| Class::of(held.keysym) == Some(class))
    }

    fn keycodes_of(&self, class: Class) -> Vec<Keycode> {
        self.held
            .iter()
            .filter(|held| Class::of(held.keysym) == Some(class))
            .map(|held| held.keycode)
            .collect()
    }

    fn release_class(&mut self, class: Class, ops: &mut Vec<Op>) {
        ops.extend(self.keycodes_of(class).into_iter().map(|keycode| Op::Key { keycode, down: false }));
        self.held.retain(|held| Class::of(held.keysym) != Some(class));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{HashMap, HashSet};

    /// A small keymap: rows of (keycode, plain, shifted); 248 to 250 are free.
    fn keyboard() -> Keyboard {
        let rows: &[(u8, u32, u32)] = &[
            (16, '7' as u32, '&' as u32),
            (23, keys::TAB, 0xfe20),
            (36, keys::RETURN, 0),
            (37, keys::CONTROL_L, 0),
            (38, 'a' as u32, 'A' as u32),
            (50, keys::SHIFT_L, 0),
            (54, 'c' as u32, 'C' as u32),
            (61, '/' as u32, '?' as u32),
            (62, keys::SHIFT_R, 0),
            (64, keys::ALT_L, keys::META_L),
            (79, 0xff95, 0xffb7),
            (110, 0xff50, 0),
            (133, keys::SUPER_L, 0),
        ];
        let mut keysyms = vec![1u32; (255 - 8 + 1) * 2];
        for (keycode, plain, shifted) in rows {
            let at = (usize::from(*keycode) - 8) * 2;
            (keysyms[at], keysyms[at + 1]) = (*plain, *shifted);
        }
        keysyms[(248 - 8) * 2..(251 - 8) * 2].fill(0);
        Keyboard::new(Layout::new(8, 2, &keysyms))
    }

    const NONE: Modifiers = Modifiers {
        shift: false,
        control: false,
        alt: false,
        meta: false,
        caps_lock: false,
        num_lock: false,
    };
    const SHIFT: Modifiers = Modifiers { shift: true, ..NONE };
    const CONTROL: Modifiers = Modifiers { control: true, ..NONE };

    fn shown(ops: &[Op]) -> String {
        let word = |op: &Op| match op {
            Op::Key { keycode, down: true } => format!("+{keycode}"),
            Op::Key { keycode, down: false } => format!("-{keycode}"),
            Op::Map { keycode, keysym } => format!("{keycode}={keysym:x}"),
            Op::Barrier => "|".to_owned(),
        };
        ops.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[track_caller]
    fn check(keyboard: &mut Keyboard, key: char, code: u16, down: bool, modifiers: Modifiers, wanted: &str) {
        let keysym = keysym_of(key).expect("a key");
        assert_eq!(shown(&keyboard.handle_key(keysym, code, down, modifiers)), wanted, "{key}");
    }

    #[test]
    fn shift_fits_for_the_length_of_one_press() {
        let mut k = keyboard();
        check(&mut k, 'a', 30, true, NONE, "+38");
        check(&mut k, 'a', 30, false, NONE, "-38");
        check(&mut k, 'A', 30, true, NONE, "+50 +38 -50");
        check(&mut k, 'A', 30, false, NONE, "-38");
        // A German slash is Shift and 7.
        assert_eq!(shown(&k.handle_key(keys::SHIFT_L, 42, true, SHIFT)), "+50");
        check(&mut k, '/', 8, true, SHIFT, "-50 +61 +50");
        assert_eq!(shown(&k.handle_key(keys::SHIFT_L, 42, false, NONE)), "-50");
        // Shift was let go first: the release of the same key now reads 7.
        check(&mut k, '7', 8, false, NONE, "-61");
    }

    #[test]
    fn tab_keeps_its_shift_and_a_pad_key_moves_with_it() {
        let mut k = keyboard();
        k.handle_key(keys::SHIFT_L, 42, true, SHIFT);
        assert_eq!(shown(&k.handle_key(keys::TAB, 15, true, SHIFT)), "+23");
        assert_eq!(shown(&k.handle_key(0xff95, 71, true, SHIFT)), "+110");
        assert_eq!(shown(&k.handle_key(0xff95, 71, false, SHIFT)), "-110");
    }

    #[test]
    fn missed_modifiers_are_repaired_in_both_directions() {
        let mut k = keyboard();
        check(&mut k, 'a', 30, true, CONTROL, "+37 +38");
        check(&mut k, 'a', 30, false, NONE, "-37 -38");
        // A modifier's own event says nothing about itself.
        assert_eq!(shown(&k.handle_key(keys::CONTROL_L, 29, true, NONE)), "+37");
        assert_eq!(shown(&k.handle_key(keys::CONTROL_L, 29, false, CONTROL)), "-37");
    }

    #[test]
    fn a_shortcut_is_the_same_with_caps_lock_and_on_a_cyrillic_layout() {
        let mut k = keyboard();
        check(&mut k, 'C', 46, true, CONTROL, "+37 +54");
        check(&mut k, 'C', 46, false, CONTROL, "-54");
        check(&mut k, 'с', 46, true, CONTROL, "+54");
        check(&mut k, 'с', 46, false, CONTROL, "-54");
    }

    #[test]
    fn what_the_map_lacks_is_mapped_in_and_the_oldest_goes_first() {
        let mut k = keyboard();
        assert_eq!(shown(&k.handle_text("ßя")), "248=df +248 -248 249=100044f +249 -249");
        check(&mut k, '漢', 0, true, NONE, "250=1006f22 +250");
        assert_eq!(shown(&k.handle_text("ß")), "+248 -248");
        // 249 is the oldest; what was typed with it must be read before it changes.
        assert_eq!(shown(&k.handle_text("😀")), "| 249=101f600 +249 -249");
        // 250 is still held and keeps its keysym.
        assert_eq!(shown(&k.handle_text("é")), "248=e9 +248 -248");
        check(&mut k, '漢', 0, false, NONE, "-250");
    }

    #[test]
    fn text_is_typed_with_all_modifiers_up() {
        let mut k = keyboard();
        k.handle_key(keys::CONTROL_L, 29, true, CONTROL);
        assert_eq!(shown(&k.handle_text("aA\r\n")), "-37 +38 -38 +50 +38 -38 -50 +36 -36 +37");
        assert_eq!(shown(&k.handle_release_all()), "-37");
        assert_eq!(shown(&k.handle_text("\u{7}\u{0}")), "");
    }

    #[test]
    fn a_repeat_is_another_press_of_the_same_key() {
        let mut k = keyboard();
        check(&mut k, 'a', 30, true, NONE, "+38");
        check(&mut k, 'a', 30, true, NONE, "-38 +38");
        check(&mut k, 'a', 30, false, NONE, "-38");
        check(&mut k, 'a', 30, false, NONE, "");
    }

    #[derive(Clone, Debug)]
    enum Step {
        Key(usize, u16, bool, u8),
        Text(String),
        ReleaseAll,
    }

    const SYMS: [u32; 14] = [
        0x61,
        0x41,
        0x2f,
        0x3f,
        0xdf,
        0x0100_044f,
        0x0100_6f22,
        0x0101_f600,
        0xe9,
        keys::SHIFT_L,
        keys::CONTROL_L,
        keys::ALT_L,
        keys::RETURN,
        0xff95,
    ];

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (0..SYMS.len(), 0..60u16, any::<bool>(), 0..16u8).prop_map(|(k, c, d, m)| Step::Key(k, c, d, m)),
            2 => "[aAß漢я/?\n]{0,6}".prop_map(Step::Text),
            1 => Just(Step::ReleaseAll),
        ]
    }

    proptest! {
        #[test]
        fn nothing_stays_down_and_no_held_key_changes_its_meaning(steps in prop::collection::vec(step(), 0..80)) {
            let mut k = keyboard();
            let mut down: HashSet<u8> = HashSet::new();
            let mut unread: HashMap<u8, u32> = HashMap::new();
            let mut run = |ops: Vec<Op>| {
                for op in ops {
                    match op {
                        Op::Key { keycode, down: true } => { down.insert(keycode); unread.insert(keycode, 1); }
                        Op::Key { keycode, down: false } => prop_assert!(down.remove(&keycode), "-{keycode} was not down"),
                        Op::Map { keycode, .. } => {
                            prop_assert!(!down.contains(&keycode), "{keycode} is held");
                            prop_assert!(!unread.contains_key(&keycode), "{keycode} was not read yet");
                        }
                        Op::Barrier => unread.clear(),
                    }
                }
                Ok(down.len())
            };
            for step in steps {
                let ops = match step {
                    Step::Key(sym, code, is_down, m) => {
                        let modifiers = Modifiers { shift: m & 1 != 0, control: m & 2 != 0, alt: m & 4 != 0, meta: m & 8 != 0, ..NONE };
                        k.handle_key(SYMS[sym], code, is_down, modifiers)
                    }
                    Step::Text(text) => k.handle_text(&text),
                    Step::ReleaseAll => k.handle_release_all(),
                };
                run(ops)?;
            }
            prop_assert_eq!(run(k.handle_release_all())?, 0);
        }
    }
}
