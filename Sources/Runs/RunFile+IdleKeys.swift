import Documents
import Plans
import Tokens

extension RunFile {
  /// A line that names what the plan says of devices and simulations alone; nil where it says nothing of
  /// them.
  ///
  /// Such keys stay readable, so that one plan file serves for both.
  package var idleKeysNotice: String? {
    let keys = plan.keysForDevicesAlone.map { "plan.\($0)" }
    guard !keys.isEmpty else { return nil }
    return "\(keys.joined(separator: ", ")): for devices, without effect on CPU ranks"
  }
}

extension RunReader {
  /// Refuses keys of data that nothing would read.
  func checkActs(_ data: RunFile.DataSettings, _ table: Table) throws(ConfigurationError) {
    let keys = keys.data
    guard data.weights.isEmpty else {
      throw table.error("has no effect without objective demonstrations", at: keys.weights)
    }
    let isTokens =
      data.form.resolved(for: data.training[0]) == .tokens
      || data.evaluation.map { TokenData.Form.automatic.resolved(for: $0) == .tokens } ?? false
    if data.width != nil, !isTokens {
      throw table.error("has no effect: no data is a token file", at: keys.width)
    }
    if data.evaluation != nil, self.table.field(self.keys.evaluation)?.isNull ?? true {
      throw table.error(
        "has no effect without evaluation, which says how often the model is evaluated",
        at: keys.evaluation)
    }
  }
}
