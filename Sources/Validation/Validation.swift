/// Everything published that the project holds, recomputed.
public enum Validation {
  /// Tables that are computed together.
  public struct Part: Sendable {
    /// What people call it: `megatron`.
    public var name: String
    /// Computes them; throws where a shipped file cannot be read.
    public var tables: @Sendable () throws -> [ValidationTable]
  }

  /// The parts in the order in which they are printed.
  public static let parts: [Part] = [
    Part(name: "deepseek-v3") {
      try [.modelCounts(), .tracedPair()] + ValidationTable.deepSeekV3Step()
    },
    Part(name: "schedules") { try [.dualPipeTable(), .zeroBubbleRates()] },
    Part(name: "zero-bubble") { try ValidationTable.zeroBubbleRuns() },
    Part(name: "megatron") { try [.megatronTable5(), .megatronWeakScaling()] },
    Part(name: "activations") { [.activationFormulas()] },
    Part(name: "vtrain") {
      let tables = [try ValidationTable.vTrainMultiNode(), try .vTrainSingleNode()]
      return tables + [.rankCorrelations(of: tables)]
    },
    Part(name: "components") { try ValidationTable.components() },
  ]
}
