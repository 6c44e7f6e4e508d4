//! The X server's keymap as we found it, and the keycodes that are free in it.

use std::collections::HashMap;

use crate::base::Modifiers;

/// An X keycode, 8 to 255.
pub(super) type Keycode = u8;

/// Evdev codes and X keycodes differ by this much.
const EVDEV_OFFSET: u16 = 8;

/// A modifier key's meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Shift,
    Control,
    Alt,
    Meta,
}

/// The first two levels of the first group: all that we press. Everything
/// else is mapped in, so that no other modifier is ever needed.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    levels: HashMap<Keycode, [u32; 2]>,
    by_keysym: HashMap<u32, Keycode>,
    free: Vec<Keycode>,
}

impl Class {
    pub const ALL: [Class; 4] = [Class::Shift, Class::Control, Class::Alt, Class::Meta];

    pub fn of(keysym: u32) -> Option<Class> {
        match keysym {
            keys::SHIFT_L | keys::SHIFT_R => Some(Class::Shift),
            keys::CONTROL_L | keys::CONTROL_R => Some(Class::Control),
            keys::ALT_L | keys::ALT_R => Some(Class::Alt),
            keys::SUPER_L | keys::SUPER_R => Some(Class::Meta),
            _ => None,
        }
    }

    /// The key that stands for the class when none was seen to go down.
    pub fn left(self) -> u32 {
        match self {
            Class::Shift => keys::SHIFT_L,
            Class::Control => keys::CONTROL_L,
            Class::Alt => keys::ALT_L,
            Class::Meta => keys::SUPER_L,
        }
    }

    pub fn is_in(self, modifiers: Modifiers) -> bool {
        match self {
            Class::Shift => modifiers.shift,
            Class::Control => modifiers.control,
            Class::Alt => modifiers.alt,
            Class::Meta => modifiers.meta,
        }
    }
}

impl Layout {
    /// From the answer to GetKeyboardMapping: `width` keysyms a keycode, from `first` on.
    pub fn new(first: Keycode, width: usize, keysyms: &[u32]) -> Self {
        let mut layout = Self { levels: HashMap::new(), by_keysym: HashMap::new(), free: Vec::new() };
        for (keycode, row) in (first..=u8::MAX).zip(keysyms.chunks_exact(width.max(1))) {
            if row.iter().all(|keysym| *keysym == 0) {
                layout.free.push(keycode);
                continue;
            }
            let levels = [row[0], row.get(1).copied().unwrap_or(0)];
            layout.levels.insert(keycode, levels);
            for keysym in levels.into_iter().filter(|keysym| *keysym != 0) {
                layout.by_keysym.entry(keysym).or_insert(keycode);
            }
        }
        layout
    }

    pub fn free(&self) -> &[Keycode] {
        &self.free
    }

    /// The key to press for a keysym: the physical one if it carries the keysym, else any that does.
    pub fn find(&self, keysym: u32, code: u16) -> Option<Keycode> {
        let carries = |keycode: &Keycode| self.levels.get(keycode).is_some_and(|row| row.contains(&keysym));
        physical(code).filter(carries).or_else(|| self.by_keysym.get(&keysym).copied())
    }

    /// The key at a physical place, if it writes something.
    pub fn writing_key(&self, code: u16) -> Option<Keycode> {
        physical(code).filter(|keycode| self.levels.get(keycode).is_some_and(|row| writes(row[0])))
    }

    /// Whether Shift must be down (or up) for this key to give the keysym; nothing if it is all the same.
    pub fn shift_for(&self, keycode: Keycode, keysym: u32) -> Option<bool> {
        let [plain, shifted] = self.levels.get(&keycode).copied()?;
        let alike = plain == keysym && (shifted == keysym || shifted == 0);
        if alike || (plain == keysym && !writes(keysym)) { None } else { Some(plain != keysym) }
    }
}

fn physical(code: u16) -> Option<Keycode> {
    if code == 0 { None } else { Keycode::try_from(code + EVDEV_OFFSET.min(u16::MAX - code)).ok() }
}

/// True for a keysym that is a character: on its key, Shift makes another one of it.
pub(super) fn writes(keysym: u32) -> bool {
    !(0xfd00..=0xffff).contains(&keysym) || (0xff80..=0xffbd).contains(&keysym)
}

/// A letter that Shift turns into its capital.
pub(super) fn is_letter(keysym: u32) -> bool {
    character(keysym).is_some_and(char::is_alphabetic)
}

/// The character of a Latin-1 or Unicode keysym.
pub(super) fn character(keysym: u32) -> Option<char> {
    match keysym {
        0x20..=0x7e | 0xa0..=0xff => char::from_u32(keysym),
        0x0100_0100..=0x0110_ffff => char::from_u32(keysym - 0x0100_0000),
        _ => None,
    }
}

/// The keysym of a character of a text; nothing for one that no key writes.
pub(super) fn keysym_of(character: char) -> Option<u32> {
    match character {
        '\n' | '\r' => Some(keys::RETURN),
        '\t' => Some(keys::TAB),
        ' '..='~' | '\u{a0}'..='\u{ff}' => Some(character as u32),
        _ if character.is_control() => None,
        _ => Some(0x0100_0000 + character as u32),
    }
}

/// One name for each keysym that has two, nothing for what is no keysym or
/// may not be pressed: locks, because ours stay off, and the keys that choose
/// a level, because a keysym already says which.
pub(super) fn normalise(keysym: u32) -> Option<u32> {
    match keysym {
        0 | 0x00ff_ffff => None,
        keys::META_L => Some(keys::SUPER_L),
        keys::META_R => Some(keys::SUPER_R),
        keys::CAPS_LOCK | keys::SHIFT_LOCK | keys::NUM_LOCK | keys::SCROLL_LOCK => None,
        keys::MODE_SWITCH | 0xfe01..=0xfe13 => None,
        0x0100_0020..=0x0100_007e | 0x0100_00a0..=0x0100_00ff => Some(keysym - 0x0100_0000),
        0x0100_0100..=0x0110_ffff => char::from_u32(keysym - 0x0100_0000).map(|_| keysym),
        0x20..=0x00ff_ffff | 0x1000_0000..=0x1fff_ffff => Some(keysym),
        _ => None,
    }
}

/// A key of the number pad that moves, as its twin on the main block: with
/// Shift held the pad's own key would write a digit.
pub(super) fn off_the_pad(keysym: u32) -> u32 {
    match keysym {
        // Home, Left, Up, Right, Down, Page Up, Page Down, End.
        0xff95..=0xff9c => keysym - 0xff95 + 0xff50,
        0xff9e => 0xff63,
        0xff9f => 0xffff,
        other => other,
    }
}

pub(super) mod keys {
    pub const TAB: u32 = 0xff09;
    pub const RETURN: u32 = 0xff0d;
    pub const SCROLL_LOCK: u32 = 0xff14;
    pub const MODE_SWITCH: u32 = 0xff7e;
    pub const NUM_LOCK: u32 = 0xff7f;
    pub const SHIFT_L: u32 = 0xffe1;
    pub const SHIFT_R: u32 = 0xffe2;
    pub const CONTROL_L: u32 = 0xffe3;
    pub const CONTROL_R: u32 = 0xffe4;
    pub const CAPS_LOCK: u32 = 0xffe5;
    pub const SHIFT_LOCK: u32 = 0xffe6;
    pub const META_L: u32 = 0xffe7;
    pub const META_R: u32 = 0xffe8;
    pub const ALT_L: u32 = 0xffe9;
    pub const ALT_R: u32 = 0xffea;
    pub const SUPER_L: u32 = 0xffeb;
    pub const SUPER_R: u32 = 0xffec;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_level_keys_and_nonsense_are_not_pressed() {
        for keysym in [
            0,
            keys::CAPS_LOCK,
            keys::NUM_LOCK,
            0xfe03,
            keys::MODE_SWITCH,
            0x0100_d800,
            0x0111_0000,
            u32::MAX,
        ] {
            assert_eq!(normalise(keysym), None, "{keysym:#x}");
        }
        assert_eq!(normalise(0x0100_00df), Some(0xdf));
        assert_eq!(normalise(keys::META_L), Some(keys::SUPER_L));
    }

    #[test]
    fn every_physical_code_is_safe_to_ask_for() {
        let layout = Layout::new(8, 2, &[0, 0, u32::from(b'a'), u32::from(b'A')]);
        for code in 0..=u16::MAX {
            let found = layout.find(u32::from(b'A'), code);
            assert_eq!(found, Some(9));
        }
        assert_eq!(layout.free(), [8]);
    }
}
