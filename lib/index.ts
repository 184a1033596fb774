// The public face of the package; `index.js` and `index.d.ts` at the top re-export what it is compiled to.
export {
  AmphisError,
  ConversionError,
  PythonError,
  type AmphisErrorCode,
  type PythonErrorInit,
  type PythonException,
  type PythonFrame,
} from './base/errors.js'
export type { AttachOptions, UpgradableServer, UpgradeListener } from './websocket/servers.js'
export type { Observation, Outcome, RequestObservation, WebSocketObservation } from './diagnostics.js'
export type { Fetch, FetchOptions } from './fetch/request.js'
export { HandleResponse } from './handle/handle.js'
export { Python, type PythonOptions } from './calls/python.js'
export { PythonObject } from './calls/python-object.js'
export { callSignal } from './calls/signal.js'
export type { CallOptions, PythonCall, PythonFunction } from './calls/types.js'
export { PythonHandler, type Mounted } from './python-handler.js'
export type { Listener, Middleware, Next } from './http/listener.js'
export {
  createServer,
  type PlainOptions,
  type PythonServer,
  type SecureOptions,
  type ServerOptions,
} from './server/server.js'
export type { ContextFunction } from './base/request-context.js'
export type { HandleBody, HandleHeaders, HandleRequest, Logger, PythonHandlerOptions, Versions } from './base/types.js'
export { NdArray } from './values/ndarray.js'
export type { Dtype, TypedArray } from './values/dtype.js'
