// node scripts/build-engines.mjs: the engines of amphis.js for all supported versions of Node.js, for the package. Takes
// each Node.js with its headers from npm, as test:nodes does.
import { engine, targetOf } from './lib/engine.mjs'
import { installedNode, nodeMajors, nodeRelease } from './lib/node-releases.mjs'
import { main } from './lib/problem.mjs'
import { complete } from './lib/setup.mjs'

await main(async () => {
  const majors = ['20', ...nodeMajors]
  await complete(majors.map(nodeRelease))
  for (const major of majors) {
    const { program } = await installedNode(major)
    await complete([engine(await targetOf(program))])
  }
})
