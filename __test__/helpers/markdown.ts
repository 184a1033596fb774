/** A page without what is shown as it is typed: blocks and spans of code are no links and no headings. */
const withoutCode = (page: string) => page.replaceAll(/^(`{3,})[\s\S]*?^\1$/gm, '').replaceAll(/^ {4}.*$/gm, '')

/** Where the links of a page lead, those to other sites left out. */
export function linksOf(page: string): string[] {
  const links = withoutCode(page)
    .replaceAll(/`[^`\n]*`/g, '')
    .matchAll(/\]\(([^)\s]+)\)/g)
  return Array.from(links, ([, target = '']) => target).filter((target) => !/^[a-z]+:/.test(target))
}

/** What can be linked to within a page, by the rules of GitHub: a heading that comes again gets a number. */
export function anchorsOf(page: string): Set<string> {
  const anchors = new Set<string>()
  for (const [, heading = ''] of withoutCode(page).matchAll(/^#{1,6} (.+)$/gm)) {
    const anchor = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
      .replaceAll(' ', '-')
    let name = anchor
    for (let count = 1; anchors.has(name); count++) name = `${anchor}-${count}`
    anchors.add(name)
  }
  return anchors
}

/** The files of the sources that a page names in backticks. */
export function sourcesOf(page: string): string[] {
  const names = page.matchAll(/`((?:src|lib|__test__|fixtures|scripts|bench)\/[\w./-]+)`/g)
  return Array.from(names, ([, name = '']) => name)
}

/** The blocks of code of a page, with the language that each is said to be in. */
export function blocksOf(page: string): { language: string; text: string }[] {
  const blocks = page.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)
  return Array.from(blocks, ([, language = '', text = '']) => ({ language, text }))
}
