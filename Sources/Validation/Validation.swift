/// Everything published that the project holds, recomputed.
public enum Validation {
  /// Tables that are computed together.
  public struct Part: Sendable {
    /// What people call it: `megatron`.
    public var name: String
    /// Computes them; throws where a shipped file cannot be read.
    var compute: @Sendable (PublishedFiles) throws -> Figures
  }

  /// What a part computes.
  struct Figures {
    var tables: [ValidationTable]
    var correlations: [CorrelationTable] = []
    var choices: [ChoiceTable] = []
  }

  /// The part that compares a file of one's own, `--layouts`.
  public static let layoutsPart = "layouts"

  /// The parts in the order in which they are printed.
  public static let parts: [Part] = [
    Part(name: "deepseek-v3") {
      Figures(tables: try [.modelCounts(), .tracedPair($0)] + ValidationTable.deepSeekV3Step($0))
    },
    Part(name: "schedules") { _ in Figures(tables: try [.dualPipeTable(), .zeroBubbleRates()]) },
    Part(name: "zero-bubble") { Figures(tables: try ValidationTable.zeroBubbleRuns($0)) },
    Part(name: "megatron") {
      Figures(tables: try ValidationTable.megatronTable5($0) + [.megatronWeakScaling($0)])
    },
    Part(name: "activations") { _ in Figures(tables: [.activationFormulas()]) },
    Part(name: "vtrain") {
      let tables = [try ValidationTable.vTrainMultiNode($0), try .vTrainSingleNode($0)]
      return Figures(
        tables: tables, correlations: tables.map(CorrelationTable.init(vTrain:)),
        choices: zip(tables, [PublishedTable.vTrainNodes, .vTrainNode]).map {
          ChoiceTable(vTrain: $0, of: $1)
        })
    },
    Part(name: "nvidia-recipes") { Figures(tables: try ValidationTable.recipeSteps($0)) },
    Part(name: "megatron-core") { Figures(tables: try ValidationTable.megatronCore($0)) },
    Part(name: "mixtures") {
      let tables = try ValidationTable.mixtures($0)
      return Figures(tables: tables, choices: tables.prefix(1).map(ChoiceTable.init(mixtures:)))
    },
    Part(name: "torchtitan") { Figures(tables: try ValidationTable.torchTitan($0)) },
    Part(name: "fsdp") { Figures(tables: [try ValidationTable.fsdp($0)]) },
    Part(name: "long-sequences") { Figures(tables: [try ValidationTable.longSequences($0)]) },
    Part(name: layoutsPart) { try layouts($0) },
    Part(name: "memory") { Figures(tables: try ValidationTable.memory($0)) },
    Part(name: "serving") {
      Figures(tables: [
        try ValidationTable.reinforcement($0), try .lowLatencyExchanges($0),
      ])
    },
    Part(name: "components") { Figures(tables: try ValidationTable.components($0)) },
  ]
}
