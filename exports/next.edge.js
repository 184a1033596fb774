// What `amphis/next` is where there is no Node.js: in the edge runtime of Next.js, and in the browser.
const refuse = () => {
  throw Object.assign(
    new Error(
      'amphis/next runs in the Node.js runtime of Next.js only, neither in its edge runtime nor in the browser. ' +
        "Remove `export const runtime = 'edge'` from this route, and import it in no client component.",
    ),
    { name: 'AmphisError', code: 'AMPHIS_ERR_BINDING' },
  )
}

export { refuse as amphis, refuse as withAmphis }
