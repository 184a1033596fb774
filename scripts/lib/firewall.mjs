// What a container engine has added to the packet filter, and the orders that take it out again. Others may change the
// filter meanwhile: what is not the engine's stays.

/** Chains, bridges and addresses that are an engine's. */
const engines = /DOCKER|docker0|\bbr-[0-9a-f]{12}\b|\b10\.254\.0\./

/**
 * @param {string} saved what `iptables-save` prints
 * @returns {Map<string, { chains: Map<string, string>, rules: string[] }>} by table; the chains with their policies
 */
function tablesOf(saved) {
  const tables = new Map()
  /** @type {{ chains: Map<string, string>, rules: string[] } | undefined} */
  let table
  for (const line of saved.split('\n')) {
    const [, chain, policy] = /^:(\S+) (\S+)/.exec(line) ?? []
    if (line.startsWith('*')) tables.set(line.slice(1), (table = { chains: new Map(), rules: [] }))
    else if (chain && policy) table?.chains.set(chain, policy)
    else if (line.startsWith('-A ')) table?.rules.push(line)
  }
  return tables
}

/**
 * The input for `iptables-restore --noflush` that takes out what an engine has added between two states.
 *
 * @param {string} before
 * @param {string} after
 * @returns {string} empty where there is nothing to do
 */
export function undoRules(before, after) {
  const earlier = tablesOf(before)
  /** @type {{ chains: Map<string, string>, rules: string[] }} */
  const none = { chains: new Map(), rules: [] }
  const blocks = [...tablesOf(after)].map(([name, { chains, rules }]) => {
    const had = earlier.get(name) ?? none
    const added = [...chains.keys()].filter((chain) => engines.test(chain) && !had.chains.has(chain))
    const orders = [
      // An engine closes FORWARD, which was open.
      ...[...chains].flatMap(([chain, policy]) => {
        const then = had.chains.get(chain) ?? (chain === 'FORWARD' ? 'ACCEPT' : policy)
        return policy !== '-' && then !== policy && chain === 'FORWARD' ? [`:${chain} ${then} [0:0]`] : []
      }),
      ...rules.filter((rule) => engines.test(rule) && !had.rules.includes(rule)).map((rule) => `-D${rule.slice(2)}`),
      ...added.map((chain) => `-X ${chain}`),
    ]
    return orders.length > 0 ? [`*${name}`, ...orders, 'COMMIT', ''].join('\n') : ''
  })
  return blocks.join('')
}
