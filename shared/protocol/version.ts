/** The protocol number that this build speaks, and the oldest one it still answers. Every message carries the sender's. */
export const PROTOCOL = 1;
export const PROTOCOL_MIN = 1;
