// The shop's menu as a page: components of React's, which FastAPI has rendered.
import { createElement as h } from 'react'
import { renderToStaticMarkup } from 'react-dom/server'

const euros = (cents) => `${(cents / 100).toFixed(2)} €`
const cell = (text) => h('td', null, text)

function Line({ name, price_cents }) {
  return h('tr', null, cell(name), cell(euros(price_cents)))
}

function Menu({ title, items }) {
  const lines = items.map((item) => h(Line, { key: item.id, ...item }))
  const table = h('table', null, h('tbody', null, lines))
  return h('main', null, h('h1', null, title), table)
}

const HEAD = `<!doctype html>
<meta charset="utf-8" />
<meta name="color-scheme" content="light dark" />
<title>Menu</title>
<link rel="stylesheet" href="/menu.css" />
`

export function render(menu) {
  return HEAD + renderToStaticMarkup(h(Menu, menu))
}
