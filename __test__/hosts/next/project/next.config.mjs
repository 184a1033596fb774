import { withAmphis } from 'amphis/next'

const { OUTPUT: output, BASE_PATH: basePath = '', TRAILING_SLASH } = process.env

export default withAmphis({ output, basePath, trailingSlash: Boolean(TRAILING_SLASH) }, { prefix: '/api' })
