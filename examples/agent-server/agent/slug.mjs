// A tool of the server's own that is a function of JavaScript: see server/tools.py.

/** @param {string} text */
export const slug = (text) =>
  text
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/\p{M}/gu, '')
    .replaceAll(/[^\p{L}\p{N}]+/gu, '-')
    .replaceAll(/^-|-$/g, '')
