/** What the parts of the service tell each other. */

export type Runtime = 'node' | 'python'

/** What a user asks for when a function is deployed. */
export interface FunctionSpec {
  name: string
  runtime: Runtime
  /** `index.handler` or `module.function`. */
  handler: string
  environment: Record<string, string>
  /** Megabytes. Default 256. */
  memory: number
  /** Milliseconds that one invocation may take. Default 30,000. */
  timeout: number
  /** CPUs, in fractions. Default 1. */
  cpus: number
  /** Invocations that one container runs at a time. Default 1. */
  slots: number
  minReplicas: number
  maxReplicas: number
  /** Whether it may reach the network. Default false. */
  network: boolean
}

export type FunctionState = 'building' | 'ready' | 'failed'

/** A function as the store keeps it. */
export interface FunctionRecord extends FunctionSpec {
  id: string
  /** Counts deployments: containers of an older one are replaced. */
  version: number
  image: string
  state: FunctionState
  createdAt: number
  updatedAt: number
}

/** Paths with slashes, relative to the function's folder. */
export type CodeFiles = Map<string, Uint8Array>

/** One container or process that runs a function. */
export interface Instance {
  id: string
  functionId: string
  version: number
  image: string
  running: boolean
}

export interface LogLine {
  /** Milliseconds since 1970. */
  time: number
  requestId: string
  stream: 'stdout' | 'stderr' | 'start' | 'end' | 'system'
  text: string
  instance: string
}

export interface LogOptions {
  tail: number
  follow: boolean
  signal: AbortSignal
}

/** What runs functions: Docker's API, or processes of the host. */
export interface Engine {
  readonly name: string
  /** The image of a function, or the folder that stands for it; a `ProblemError` has the build's own words. */
  build(record: FunctionRecord, code: CodeFiles, progress: (line: string) => void): Promise<string>
  /** Whether it was built here: where machines share the state, each has the images of what was deployed to it. */
  has(image: string): Promise<boolean>
  /** Starts a new instance, or one of this id that was stopped. */
  start(record: FunctionRecord, instanceId: string, token: string): Promise<void>
  stop(instanceId: string): Promise<void>
  remove(instanceId: string): Promise<void>
  list(): Promise<Instance[]>
  logs(instanceId: string, options: LogOptions): AsyncIterable<LogLine>
  removeImage(image: string): Promise<void>
  /** Ends what does not outlive the service. */
  close(): Promise<void>
}
