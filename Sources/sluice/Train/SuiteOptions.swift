#if MPI
  import ArgumentParser
  import Documents
  import Reports
  import Tasks

  /// What `sluice evaluate --suite` asks, and whom.
  struct SuiteOptions: ParsableArguments {
    @Option(name: .customLong("suite"), help: "What models are compared by: rules.")
    var name: String?

    @Option(
      name: .customLong("task"),
      help: "Only this task, may be repeated: \(taskNames).")
    var tasks: [String] = []

    @Option(help: "Only questions of this tier, 1 or 2; by default both.")
    var tier: Int?

    @Option(help: "Questions of each task and tier; 16 by default.")
    var questions: Int?

    @Option(help: "Samples of each question; 8 by default.")
    var samples: Int?

    @Option(help: "What scores are divided by; 1 by default, 0 takes the likeliest token always.")
    var temperature: Double?

    @Option(
      help: "Choose among the fewest tokens whose probabilities reach this share; 1 by default.")
    var topP: Double?

    @Option(help: "The most tokens of an answer; 96 by default.")
    var maxTokens: Int?

    @Option(help: "From where questions and chance come; 0 by default.")
    var seed: UInt64?

    @Flag(help: "Say in words what is asked, for models that have not been trained on it.")
    var instructions = false

    @Flag(help: "Put the questions as they are to models with a chat template, too.")
    var raw = false

    @Flag(help: "Write the questions instead, for models that live elsewhere.")
    var prompts = false

    @Option(name: .shortAndLong, help: "The file of --prompts.", completion: .file())
    var output: String?

    @Flag(help: "Replace the file of --prompts, if it is there.")
    var overwrite = false

    @Option(
      help: "NAME=FILE, what a model elsewhere answered; may be repeated.", completion: .file())
    var answers: [String] = []

    /// What was written beside `--suite`, for messages.
    var others: [(String, Bool)] {
      [
        ("--task", !tasks.isEmpty), ("--tier", tier != nil), ("--questions", questions != nil),
        ("--instructions", instructions), ("--prompts", prompts), ("-o", output != nil),
        ("--overwrite", overwrite), ("--answers", !answers.isEmpty), ("--seed", seed != nil),
      ] + ofSampling
    }

    /// What only models that answer here have a use for.
    private var ofSampling: [(String, Bool)] {
      [
        ("--samples", samples != nil), ("--temperature", temperature != nil),
        ("--top-p", topP != nil), ("--max-tokens", maxTokens != nil), ("--raw", raw),
      ]
    }

    func run(
      checkpoints: [String], tokenizer: String?, json: Bool, _ reporting: ReportOptions
    ) throws {
      guard name == "rules" else {
        throw CommandError("--suite \(name ?? ""): there is one suite, rules")
      }
      let suite = RuleSuite(
        kinds: tasks.isEmpty ? TaskKind.allCases : try taskKinds(tasks),
        tiers: try checkedTier(tier).map { [$0] } ?? Array(TaskKind.tiers),
        count: try checked(questions, 16, "--questions", in: 1...100_000), seed: seed ?? 0)
      let given = [
        ("--checkpoint", !checkpoints.isEmpty), ("--answers", !answers.isEmpty),
        ("--tokenizer", tokenizer != nil), ("--json", json), ("--report", reporting.isGiven),
      ]
      if prompts {
        try refuse(given + ofSampling, beside: "--prompts")
        return try writePrompts(suite)
      }
      try refuse(
        [("-o", output != nil), ("--overwrite", overwrite)], beside: "a suite without --prompts")
      guard !checkpoints.isEmpty || !answers.isEmpty else {
        throw CommandError("--suite rules: give --checkpoint, --answers or --prompts")
      }
      if checkpoints.isEmpty {
        try refuse(
          ofSampling + [("--instructions", instructions), ("--tokenizer", tokenizer != nil)],
          beside: "--answers alone")
      }
      let answers = try named(answers, besides: checkpoints)
      let place = try reporting.path(
        besides: InputFiles.reached(
          from: checkpoints + [tokenizer].compactMap { $0 } + answers.map(\.file)))
      let comparison = SuiteComparison(
        suite: suite, checkpoints: checkpoints, tokenizer: tokenizer, answers: answers,
        sampling: try settings(), isByTask: !tasks.isEmpty, json: json, report: place)
      try comparison.run()
    }

    private func writePrompts(_ suite: RuleSuite) throws {
      guard let output else { throw CommandError("--prompts: give the file by -o") }
      let path = try OutputPath.free(output, besides: [], overwrites: overwrite)
      try JSONLines.write(suite.lines(instructing: instructions), to: path)
      try show("\(output): \(suite.questions.count) questions\n")
    }

    private func settings() throws -> SuiteComparison.Settings {
      let temperature = temperature ?? 1
      guard temperature.isFinite, temperature >= 0 else {
        throw CommandError("--temperature \(temperature): must be 0 or more")
      }
      if let topP, !(topP > 0 && topP <= 1) {
        throw CommandError("--top-p \(topP): must be above 0 and at most 1")
      }
      if temperature == 0 {
        try refuse(
          [("--top-p", topP != nil), ("--samples", samples != nil)],
          beside: "a --temperature of 0, which leaves nothing to chance")
      }
      return SuiteComparison.Settings(
        temperature: temperature, topShare: topP ?? 1,
        samples: temperature == 0 ? 1 : try checked(samples, 8, "--samples", in: 1...1024),
        maximumTokens: try checked(maxTokens, 96, "--max-tokens", in: 1...1 << 20),
        isInstructing: instructions, isRaw: raw)
    }

    private func checked(
      _ value: Int?, _ fallback: Int, _ option: String, in range: ClosedRange<Int>
    ) throws(CommandError) -> Int {
      let value = value ?? fallback
      guard range.contains(value) else {
        throw CommandError(
          "\(option) \(value): must be from \(range.lowerBound) to \(range.upperBound)")
      }
      return value
    }

    /// Files of answers by the names that the table has for them.
    private func named(
      _ answers: [String], besides checkpoints: [String]
    ) throws(CommandError) -> [(name: String, file: String)] {
      var names = Set<String>()
      for checkpoint in checkpoints where !names.insert(checkpoint).inserted {
        throw CommandError("--checkpoint \(checkpoint): is given twice")
      }
      var found: [(name: String, file: String)] = []
      for answer in answers {
        let parts = answer.split(separator: "=", maxSplits: 1).map(String.init)
        guard parts.count == 2 else {
          throw CommandError("--answers \(answer): expected NAME=FILE")
        }
        guard names.insert(parts[0]).inserted else {
          throw CommandError("--answers \(answer): the name is given twice")
        }
        found.append((parts[0], parts[1]))
      }
      return found
    }
  }
#endif
