// `amphis/modules`: files of Python as modules of JavaScript, and the types that their declarations are written in.
export { configure, moduleAt, type Bundled, type ModulesOptions } from './modules/module-at.js'
export type {
  CallOptions,
  PythonAttribute,
  PythonClass,
  PythonFunction,
  PythonIterator,
  PythonMap,
  PythonHandle,
  StaysInPython,
} from './calls/types.js'
export type { NdArray } from './values/ndarray.js'
export type { TypedArray } from './values/dtype.js'
