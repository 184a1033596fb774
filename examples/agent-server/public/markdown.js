// The markdown of answers as elements. Nothing is ever parsed as HTML: what a model writes is text, in a few kinds of
// elements, and links lead to http and https alone.

const INLINE = /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*|\[([^\]]+)\]\(([^\s)]+)\)/g

function element(name, ...children) {
  const made = document.createElement(name)
  made.append(...children)
  return made
}

function link(text, address) {
  let url
  try {
    url = new URL(address)
  } catch {
    return document.createTextNode(`${text} (${address})`)
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return document.createTextNode(`${text} (${address})`)
  const made = element('a', text)
  made.href = url.href
  made.rel = 'noopener noreferrer nofollow'
  made.target = '_blank'
  return made
}

function inline(text) {
  const parts = []
  let at = 0
  for (const match of text.matchAll(INLINE)) {
    if (match.index > at) parts.push(text.slice(at, match.index))
    const [all, code, bold, slanted, label, address] = match
    if (code !== undefined) parts.push(element('code', code))
    else if (bold !== undefined) parts.push(element('strong', bold))
    else if (slanted !== undefined) parts.push(element('em', slanted))
    else parts.push(link(label, address))
    at = match.index + all.length
  }
  parts.push(text.slice(at))
  return parts
}

const ITEM = /^\s*(?:[-*]|\d+\.)\s+(.*)$/

/** @param {string[]} lines of one block */
function block(lines) {
  const [first] = lines
  const heading = /^#{1,6}\s+(.*)$/.exec(first)
  if (heading && lines.length === 1) return element('h3', ...inline(heading[1]))
  if (lines.every((line) => ITEM.test(line))) {
    const list = element(/^\s*\d/.test(first) ? 'ol' : 'ul')
    for (const line of lines) list.append(element('li', ...inline(ITEM.exec(line)[1])))
    return list
  }
  return element('p', ...inline(lines.join('\n')))
}

/** @param {string} text */
export function markdown(text) {
  const made = document.createDocumentFragment()
  let lines = []
  let code
  const close = () => {
    if (lines.length > 0) made.append(block(lines))
    lines = []
  }
  for (const line of text.split('\n')) {
    if (/^\s*```/.test(line)) {
      if (code) made.append(element('pre', element('code', code.join('\n'))))
      else close()
      code = code ? undefined : []
    } else if (code) code.push(line)
    else if (line.trim() === '') close()
    else lines.push(line)
  }
  if (code) made.append(element('pre', element('code', code.join('\n'))))
  close()
  return made
}
