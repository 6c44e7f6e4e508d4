//! The command line: settings, commands, the doctor.
