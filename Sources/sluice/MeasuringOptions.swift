import ArgumentParser
import Calibration
import Clusters
import Costs
import Documents
import Reports

/// What `calibrate` makes of benchmark outputs, and what these do not say.
struct MeasuringOptions: ParsableArguments {
  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("Write the cluster that the files describe.", valueName: "cluster.yaml"),
    completion: .file(extensions: ["yaml", "yml"]))
  var output: String?

  @Flag(help: "Replace the cluster's file if there is one.")
  var overwrite = false

  @Option(
    help: "The cluster that says what the files do not: a name or a file; h100-2048 by default.",
    completion: .file(extensions: ["yaml", "yml"]))
  var base: String?

  @OptionGroup var borrowing: BorrowingOptions

  @Option(help: ArgumentHelp("Draw fit and points as SVG.", valueName: "file"))
  var picture: String?

  @Option(help: "Ranks that took part, of files that do not say it.")
  var ranks: Int?

  @Option(help: "Nodes that these ranks lay on.")
  var nodes: Int?

  @Option(
    help: """
      The collective of a log without its head: all-reduce, all-gather, reduce-scatter, \
      all-to-all, send.
      """)
  var collective: CollectiveCell.Kind?

  @Option(help: "Where two ranks of a message lay: devices (of one node) or nodes.")
  var between: Ends?

  @Option(help: "The switches that an adapter's latency was measured over: leaf, spine or core.")
  var through: Switches?

  @Option(
    help: "Whose FP8 products a table has: cublaslt-fp8, fp8-2025-02 or fp8-2025-04 (DeepGEMM).")
  var library: MatmulLibrary?

  enum Ends: String, ExpressibleByArgument, CaseIterable { case devices, nodes }
  enum Switches: String, ExpressibleByArgument, CaseIterable { case leaf, spine, core }

  /// The options that were written.
  var given: [String] {
    [
      ("--output", output != nil), ("--overwrite", overwrite), ("--base", base != nil),
      ("--borrow-kernels", borrowing.kernels != nil), ("--picture", picture != nil),
      ("--ranks", ranks != nil), ("--nodes", nodes != nil), ("--collective", collective != nil),
      ("--between", between != nil), ("--through", through != nil), ("--library", library != nil),
    ].filter(\.1).map(\.0)
  }

  private var facts: MeasurementFacts {
    get throws {
      var facts = MeasurementFacts()
      facts.ranks = try ranks.map { try checked("ranks", $0, in: 2...1 << 20) }
      facts.nodes = try nodes.map { try checked("nodes", $0, in: 1...1 << 20) }
      facts.collective = collective
      facts.isInsideNode = between.map { $0 == .devices }
      facts.switchLayers = through.flatMap { Switches.allCases.firstIndex(of: $0) }.map { $0 + 1 }
      facts.library = library
      return facts
    }
  }

  func run(_ files: [String], json: Bool, _ reporting: ReportOptions) throws {
    if overwrite, output == nil {
      throw CommandError("--overwrite has nothing to act on without --output")
    }
    let inputs = files + InputFiles.reached(from: [base, borrowing.kernels].compactMap { $0 })
    let path = try output.map { output throws(ConfigurationError) in
      try OutputPath(output, besides: inputs + [picture, reporting.report].compactMap { $0 })
    }
    let picturePath = try picture.map { picture throws(ConfigurationError) in
      try OutputPath(picture, besides: inputs + [output, reporting.report].compactMap { $0 })
    }
    let reportPath = try reporting.path(besides: inputs + [output, picture].compactMap { $0 })
    if let output, !overwrite, try exists(output) {
      throw CommandError("\(output): is there already; --overwrite replaces it")
    }
    let baseName = base ?? "h100-2048"
    let cluster = try Cluster.named(baseName, overrides: borrowing.overrides)
    let calibrator = Calibrator(
      base: cluster, named: baseName, kernels: borrowing.kernels, facts: try facts)
    let file = output ?? "calibrated.yaml"
    let outcome = try calibrator.run(
      files, name: Self.stem(of: file), file: file, isWritten: output != nil)
    try refuseIdle(outcome.formats)
    var figures = CalibrationFigures(outcome, base: cluster)
    figures.inputs = Inputs(
      cluster: .init(cluster, given: baseName, overrides: borrowing.overrides))
    if let path { try OutputFile.write(outcome.text, to: path) }
    if let picturePath { try OutputFile.write(CalibrationPicture(figures).svg, to: picturePath) }
    try show(json ? try jsonText(figures) : try ReportPage(calibration: figures).text)
    try reporting.write(ReportPage(calibration: figures), to: reportPath)
  }

  /// Refuses what was written for files that take nothing of it.
  private func refuseIdle(_ formats: [(file: String, format: BenchmarkFormat)]) throws {
    let asked = formats.reduce(into: Set()) { $0.formUnion($1.format.facts) }
    for option in given {
      guard let fact = BenchmarkFormat.Fact(rawValue: String(option.dropFirst(2))),
        !asked.contains(fact)
      else { continue }
      throw CommandError("\(option) has nothing to act on: no file needs it to be said")
    }
  }

  /// Whether something lies at a path.
  private func exists(_ path: String) throws -> Bool { !InputFiles.reached(from: [path]).isEmpty }

  /// `cluster` of `some/where/cluster.yaml`.
  static func stem(of path: String) -> String {
    let file = path.split(separator: "/").last.map(String.init) ?? path
    return file.lastIndex(of: ".").map { String(file[..<$0]) } ?? file
  }
}

extension CollectiveCell.Kind: ExpressibleByArgument {}
extension MatmulLibrary: ExpressibleByArgument {}
