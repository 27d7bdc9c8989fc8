import Documents

/// What became of the options that say what files do not: each is for those files that need it.
struct AskedFacts: Sendable {
  /// Those that some file did not say itself.
  private(set) var used: Set<BenchmarkFormat.Fact> = []
  /// Files that say something else than an option.
  private var contradictions: [(fact: BenchmarkFormat.Fact, error: ConfigurationError)] = []

  /// A file asks for what an option says.
  mutating func use(_ fact: BenchmarkFormat.Fact) { used.insert(fact) }

  /// A file says something else itself, which stands.
  mutating func contradict(_ fact: BenchmarkFormat.Fact, _ error: ConfigurationError) {
    contradictions.append((fact, error))
  }

  /// - Throws: `ConfigurationError` where an option contradicts a file, and no other file needs it.
  func check() throws(ConfigurationError) {
    if let idle = contradictions.first(where: { !used.contains($0.fact) }) { throw idle.error }
  }

  static func += (left: inout AskedFacts, right: AskedFacts) {
    left.used.formUnion(right.used)
    left.contradictions += right.contradictions
  }
}
