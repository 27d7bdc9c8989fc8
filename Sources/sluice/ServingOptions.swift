import ArgumentParser
import Documents
import Models
import Plans
import Reports
import Simulation

/// A step of serving in place of one of training.
struct ServingOptions: ParsableArguments {
  @Flag(help: "Simulate a step of decoding: a token for each of --batch sequences.")
  var decode = false

  @Flag(help: "Simulate a prefill: all tokens of --batch new sequences.")
  var prefill = false

  @Option(help: "Sequences that each data rank serves at a time.")
  var batch: Int?

  @Option(help: "Positions in each sequence's caches; with --prefill its tokens.")
  var context: Int?

  @Option(
    help: "Decode with the prediction modules: the probability that a draft of theirs is kept.")
  var acceptance: Double?

  @Option(
    help: """
      Parts of a rank's sequences that compute and exchange by turns; by default two where experts lie on \
      several ranks.
      """)
  var parts: Int?

  /// Whether a step of serving was asked for.
  var isGiven: Bool { decode || prefill }

  /// The plan where none is given: DeepSeek's units, for models like theirs.
  var usualPlan: String { decode ? "deepseek-v3-decode" : "deepseek-v3-prefill" }

  /// What was written that says nothing without a step of serving.
  private var others: [(String, Bool)] {
    [
      ("--batch", batch != nil), ("--context", context != nil), ("--acceptance", acceptance != nil),
      ("--parts", parts != nil),
    ]
  }

  /// Refuses these options where the step is one of training.
  func checkAbsence() throws(CommandError) {
    for (option, isWritten) in others where isWritten {
      throw CommandError("\(option) has no effect without --decode or --prefill")
    }
  }

  /// The step that was asked for.
  func request() throws -> InferenceRequest {
    if decode, prefill { throw CommandError("--decode and --prefill exclude each other") }
    let mode = decode ? "--decode" : "--prefill"
    guard let batch else { throw CommandError("\(mode) needs --batch, sequences of a data rank") }
    guard let context else {
      throw CommandError(
        "\(mode) needs --context, \(decode ? "positions in caches" : "tokens of a sequence")")
    }
    try checked("batch", batch, in: 1...65_536)
    try checked("context", context, in: 1...(1 << 24))
    if let parts { try checked("parts", parts, in: 1...16) }
    if let acceptance, !(acceptance.isFinite && (0...1).contains(acceptance)) {
      throw CommandError("--acceptance \(acceptance): must be from 0 to 1")
    }
    return InferenceRequest(
      decode ? .decode(context: context) : .prefill(length: context), batch: batch, parts: parts,
      acceptance: acceptance)
  }
}

extension Scene {
  /// The plan as a deployment.
  func inference() throws -> PlannedInference {
    try PlannedInference(architecture: architecture, cluster: cluster, plan: plan)
  }
}

extension PlaceOptions {
  /// The scene of a step of serving: DeepSeek's own units serve where no plan is given for such a model.
  func scene(plan: String?, serving usual: String) throws(ConfigurationError) -> Scene {
    if let plan { return try scene(plan: plan, serves: true) }
    let (architecture, _) = try modelAndCluster()
    let known = try Architecture.named(Self.usualPlan)
    func experts(_ model: Architecture) -> Set<Int> {
      Set(model.feedForwards.compactMap(\.mixture).map(\.routedExperts))
    }
    // For other models it says what there is to choose from.
    return try scene(plan: experts(architecture) == experts(known) ? usual : nil)
  }
}
