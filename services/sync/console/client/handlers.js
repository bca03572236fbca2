/** What a shared document tells those who show it. */
export {};
