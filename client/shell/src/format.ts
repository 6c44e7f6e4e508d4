/** Numbers as people read them. */
export const formatMs = (ms: number): string => (ms < 1 ? "<1 ms" : `${Math.round(ms)} ms`);
