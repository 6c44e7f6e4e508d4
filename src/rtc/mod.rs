//! WebRTC: peers, signalling, data channels.
