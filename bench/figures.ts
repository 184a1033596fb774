import { coldStart } from './figures/cold-start.js'
import type { Figure } from './figures/figure.js'
import { httpThroughput } from './figures/http-throughput.js'
import { idleStreams } from './figures/idle-streams.js'
import { inProcessThroughput } from './figures/in-process-throughput.js'
import { waitingCpu } from './figures/waiting-cpu.js'
import { works } from './works.js'

const servers = ['bare', 'amphis', 'uvicorn', 'granian', 'http-proxy', 'raw-proxy']

/** Every figure the benchmark takes, in the order it takes them, with what it is to reach. */
export const figures: readonly Figure[] = [
  inProcessThroughput('in-process', {
    work: 'hello',
    concurrency: 32,
    contestants: ['amphis-handle', 'platformatic-3.10', 'platformatic'],
    base: ['platformatic-3.10', 'platformatic'],
    targets: [{ of: 'amphis-handle', over: ['platformatic-3.10', 'platformatic'], atLeast: 60 }],
  }),
  httpThroughput('hello', {
    work: 'hello',
    connections: 32,
    contestants: servers,
    base: 'bare',
    targets: [{ of: 'amphis', over: 'bare', atLeast: 0.75 }],
  }),
  httpThroughput('fastapi', {
    work: 'fastapi',
    connections: 32,
    contestants: servers,
    base: 'uvicorn',
    targets: [{ of: 'amphis', over: 'uvicorn', atLeast: 1.4 }],
  }),
  {
    ...httpThroughput('fastapi-get', {
      work: 'fastapi-get',
      connections: 32,
      contestants: servers,
      base: 'uvicorn',
      targets: [{ of: 'amphis', over: 'uvicorn', atLeast: 1.4 }],
    }),
    slow: true,
  },
  waitingCpu('waiting', {
    // One of platformatic's is enough to see it poll, and four keep it from answering at all.
    requests: {
      bare: 100,
      amphis: 100,
      'amphis-handle': 100,
      uvicorn: 100,
      granian: 100,
      'platformatic-3.10': 1,
      platformatic: 1,
    },
    // "No CPU", to the step of the clock that tells.
    targets: { amphis: 5, 'amphis-handle': 5 },
  }),
  idleStreams('idle-streams', {
    streams: 1000,
    pairs: [
      { contestant: 'bare', app: 'raw' },
      { contestant: 'amphis', app: 'raw' },
      { contestant: 'amphis', app: 'fastapi' },
      { contestant: 'uvicorn', app: 'raw' },
      { contestant: 'uvicorn', app: 'fastapi' },
      { contestant: 'granian', app: 'raw' },
      { contestant: 'granian', app: 'fastapi' },
    ],
    targets: { 'amphis raw': 32, 'amphis fastapi': 48 },
  }),
  coldStart('cold-start', {
    work: works.hello,
    contestants: ['bare', 'amphis', 'uvicorn', 'granian'],
    targets: { amphis: 150 },
  }),
  coldStart('cold-start-fastapi', {
    work: works.fastapi,
    contestants: ['amphis', 'uvicorn', 'granian'],
    targets: { amphis: 150 },
  }),
]
