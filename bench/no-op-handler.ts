import type { Handler } from 'cap-sluice'

/** What is measured is everything around it. */
const noOp: Handler = async () => {}

export default noOp
