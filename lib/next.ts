// `amphis/next`: a Python app as a route handler of Next.js, and what its configuration needs for that.
export { amphis, type NextRouteHandler, type NextRouteHandlers, type NextRouteOptions } from './next/route.js'
export { withAmphis, type NextConfigFunction, type NextConfigOptions } from './next/config.js'
