/// Published figures recomputed, with what they were computed from.
public struct ValidationReport: Sendable {
  /// The parts, in the order in which they are printed.
  public var parts: [String]
  /// What a person overrode, and how many runs and tables of measurements it acted on.
  public var overrides: [(text: String, uses: Int)]
  public var tables: [ValidationTable] = []
  /// How well orders agree; these are no errors.
  public var correlations: [CorrelationTable] = []
  /// Which layouts would have been chosen; no errors either.
  public var choices: [ChoiceTable] = []

  /// Computes some parts, all if none is named, with overrides of plans and clusters.
  ///
  /// - Parameters:
  ///   - layouts: the path of a file of measured layouts, without which that part is left out.
  ///   - progress: told the name of each part before it is computed.
  /// - Throws: `ConfigurationError` for an override that acts on nothing, or as a shipped file cannot be read.
  public init(
    parts names: [String] = [], overrides: [String] = [], layouts: String? = nil,
    progress: (String) -> Void = { _ in }
  ) throws {
    let files = try PublishedFiles(overrides: overrides, layouts: layouts)
    let chosen = Validation.parts.filter { part in
      part.name == Validation.layoutsPart
        ? names.contains(part.name) || (names.isEmpty && layouts != nil)
        : names.isEmpty || names.contains(part.name)
    }
    for part in chosen {
      progress(part.name)
      let figures = try part.compute(files)
      tables += figures.tables
      correlations += figures.correlations
      choices += figures.choices
    }
    try files.checkUses()
    parts = chosen.map(\.name)
    self.overrides = zip(files.overrides, files.uses).map { ($0, $1) }
  }
}
