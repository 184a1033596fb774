import { withAmphis } from 'amphis/next'

export default withAmphis({}, { prefix: '/api' })
