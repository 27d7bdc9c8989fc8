import Documents

/// A command of a script that says options of a launcher: one of several that may be the job.
struct ScriptLaunch {
  /// Where it begins.
  var line: Int
  /// The program that it runs, where one is named.
  var program: String?
  var options: [GivenOption]
  /// Why it cannot be read, where it is the job.
  var refusal: ConfigurationError?
  /// How many options of the launcher it says.
  var weight: Int
  /// Whether it says how large the job is, and is not one that only prepares data or turns checkpoints.
  var saysSizes: Bool
  /// The options that decide anything, the last of each name.
  var deciding: [String: [String]]

  init(
    line: Int, program: String?, options: [GivenOption], refusal: ConfigurationError? = nil,
    saysSizes: Bool, decides: (GivenOption) -> Bool
  ) {
    (self.line, self.program, self.options, self.refusal) = (line, program, options, refusal)
    (weight, self.saysSizes) = (options.count, saysSizes)
    deciding = [:]
    for option in options where decides(option) { deciding[option.name] = option.values }
  }

  private var programName: String? {
    program.flatMap { $0.split(separator: "/").last.map(String.init) }
  }

  /// Whether its program's name says that it trains.
  private var trains: Bool {
    ["train", "tune", "sft"].contains { programName?.lowercased().contains($0) == true }
  }

  private func isCalled(_ name: String) -> Bool {
    name == "\(line)" || name == programName || programName == "\(name).py"
  }

  /// The launch that is the job, and a line for each other one.
  ///
  /// - Throws: `ConfigurationError` where several differ and `--job` chooses none of them.
  static func chosen(
    from launches: [ScriptLaunch], file: String, _ use: ImportUse
  ) throws(ConfigurationError) -> (launch: ScriptLaunch, notes: [GivenOption])? {
    guard let first = launches.first else { return nil }
    guard launches.count > 1 else { return (first, []) }
    var rivals = launches.contains(where: \.saysSizes) ? launches.filter(\.saysSizes) : launches
    if rivals.contains(where: \.trains) { rivals.removeAll { !$0.trains && $0.program != nil } }
    var best = rivals.dropFirst().reduce(rivals[0]) { $1.weight > $0.weight ? $1 : $0 }
    let others = rivals.filter { $0.deciding != best.deciding }
    if !others.isEmpty
      || use.settings.job.map({ name in launches.contains { $0.isCalled(name) } })
        ?? false
    {
      best = try chosen(from: rivals, all: launches, file: file, job: use.chosenJob())
    }
    let notes = launches.filter { $0.line != best.line || $0.program != best.program }.map {
      other in
      GivenOption(
        name: other.deciding == best.deciding ? "same-launch" : "other-launch",
        spelling: "\(other.programName ?? "launch"):\(other.line)", values: [], file: file,
        line: other.line)
    }
    return (best, notes)
  }

  private static func chosen(
    from rivals: [ScriptLaunch], all: [ScriptLaunch], file: String, job: String?
  ) throws(ConfigurationError) -> ScriptLaunch {
    let lines = rivals.map { "\($0.line)" }.joined(separator: ", ")
    guard let job else {
      throw ConfigurationError(
        file: file, line: rivals.dropFirst().first?.line,
        rule: "holds \(rivals.count) launches that differ, in lines \(lines): choose one by its "
          + "line, such as --job \(rivals[0].line)")
    }
    let found = all.filter { $0.isCalled(job) }
    guard let one = found.first, found.allSatisfy({ $0.deciding == one.deciding }) else {
      throw ConfigurationError(
        file: "--job", value: job,
        rule: found.isEmpty
          ? "is no launch of \(file): they begin in lines \(lines)"
          : "are several launches of \(file): choose one by its line, one of \(lines)")
    }
    return one
  }
}
