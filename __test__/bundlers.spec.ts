import { build } from 'esbuild'
import test from 'ava'
import { bundledProject, GREETING, hostPackage } from './helpers/bundled.js'
import { runIn } from './helpers/python-project.js'
import { scratchFolder } from './helpers/scratch.js'

// What everybody has: tracing of files, and esbuild. Other bundlers are in `hosts/bundlers.host.ts`.

interface Nft {
  nodeFileTrace(files: string[], options: object): Promise<{ fileList: Set<string> }>
}
const { nodeFileTrace } = hostPackage('bundlers')('@vercel/nft') as Nft

for (const entry of ['server.mjs', 'server.cjs']) {
  test(`what ${entry} needs is found by tracing, the addon and ws included`, async (t) => {
    const { folder, path, copy } = await bundledProject(t)
    const { fileList } = await nodeFileTrace([path(entry)], { base: folder })
    t.true([...fileList].some((file) => /^node_modules\/amphis-[^/]+\/amphis\..*\.node$/.test(file)))
    t.true(fileList.has('node_modules/ws/index.js'))
    const elsewhere = await scratchFolder(t)
    await copy([...fileList, 'main.py'], elsewhere)
    t.like(await runIn(t, elsewhere, [entry]), GREETING)
  })
}

const esbuild = { bundle: true, platform: 'node', logLevel: 'silent' } as const

for (const [format, entry] of [
  ['esm', 'server.mjs'],
  ['cjs', 'server.cjs'],
] as const) {
  const outfile = `out.${format === 'esm' ? 'mjs' : 'cjs'}`

  test(`esbuild leaves it out of what it bundles as ${format}`, async (t) => {
    const { path, run } = await bundledProject(t)
    const external = ['amphis']
    await build({ ...esbuild, format, external, entryPoints: [path(entry)], outfile: path(outfile) })
    t.like(await run(outfile), GREETING)
  })

  test(`bundled in by esbuild as ${format}, it says in one line how it is left out`, async (t) => {
    const { path, run } = await bundledProject(t)
    await build({ ...esbuild, format, entryPoints: [path(entry)], outfile: path(outfile) })
    const { stdout } = await run(outfile)
    t.regex(stdout, /^AMPHIS_ERR_BINDING amphis was bundled by esbuild, .*: --external:amphis\.\n$/)
  })
}
