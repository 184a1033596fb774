// What Python calls, by amphis and by its peers.
exports.same = (value) => value

exports.sameLater = async (value) => value

/** Is given a value, which is not looked at: what is measured is its way here. */
exports.take = () => {}

exports.takeJson = (text) => {
  JSON.parse(text)
}
