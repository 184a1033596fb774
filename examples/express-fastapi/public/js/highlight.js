/** Colours short pieces of Python, JavaScript and JSON, as DOM nodes: no HTML is ever built from text. */

const PYTHON =
  /(?<cm>#.*)|(?<st>f?"""[\s\S]*?"""|f?"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|(?<de>@[\w.]+)|(?<kw>\b(?:as|async|await|class|def|del|else|except|finally|for|from|if|import|in|is|None|not|raise|return|True|try|while|with|yield)\b)|(?<nu>\b\d[\d_.]*\b)|(?<ty>\b[A-Z]\w*\b)|(?<fn>\b[a-z_]\w*(?=\())/g

const JAVASCRIPT =
  /(?<cm>\/\/.*)|(?<st>'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|(?<kw>\b(?:as|async|await|const|export|for|from|function|if|import|let|new|of|return|throw|try|catch)\b)|(?<nu>\b\d[\d_.]*\b)|(?<ty>\b[A-Z]\w*\b)|(?<fn>\b[a-z_]\w*(?=\())/g

const JSON_TOKENS =
  /(?<ke>"(?:\\.|[^"\\])*"(?=\s*:))|(?<st>"(?:\\.|[^"\\])*")|(?<nu>-?\b\d[\d.eE+-]*\b)|(?<kw>\b(?:true|false|null)\b)/g

export const highlightPython = (text) => highlight(text, PYTHON)
export const highlightJavaScript = (text) => highlight(text, JAVASCRIPT)
export const highlightJson = (text) => highlight(text, JSON_TOKENS)

function highlight(text, tokens) {
  const out = document.createDocumentFragment()
  let end = 0
  for (const match of text.matchAll(tokens)) {
    const [kind] = Object.entries(match.groups).find(([, value]) => value !== undefined)
    const span = document.createElement('span')
    span.className = kind
    span.textContent = match[0]
    out.append(text.slice(end, match.index), span)
    end = match.index + match[0].length
  }
  out.append(text.slice(end))
  return out
}
