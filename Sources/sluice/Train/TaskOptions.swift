#if MPI
  import ArgumentParser
  import Documents
  import Quantities
  import Reports
  import Tasks

  /// What `sluice data --task` makes.
  struct TaskOptions: ParsableArguments {
    @Option(
      name: .customLong("task"),
      help: "A task whose data are made, may be repeated: \(taskNames).")
    var tasks: [String] = []

    @Option(help: "How hard the questions are: 1 by default, or 2.")
    var tier: Int?

    @Option(help: "From where chance comes; 0 by default.")
    var seed: UInt64?

    @Option(help: "Demonstrations: 16,384 by default, or fewer where the task has no more.")
    var demonstrations: Int?

    @Option(help: "Prompts: 4,096 by default, or fewer where the task has no more.")
    var prompts: Int?

    @Option(
      name: .customLong("held-out"),
      help: "Questions held out: 512 by default, or fewer where the task has no more.")
    var heldOut: Int?

    @Option(help: "The share of demonstrations that are wrong: 0.5 by default, of digit-sum 0.")
    var spoiled: Double?

    @Option(help: "The share of demonstrations with a scratchpad (digit-sum): 0.5 by default.")
    var scratchpad: Double?

    /// What was written beside `--task`, for messages.
    var others: [(String, Bool)] {
      [
        ("--tier", tier != nil), ("--seed", seed != nil),
        ("--demonstrations", demonstrations != nil), ("--prompts", prompts != nil),
        ("--held-out", heldOut != nil), ("--spoiled", spoiled != nil),
        ("--scratchpad", scratchpad != nil),
      ]
    }

    /// Makes the folder and says what is in it.
    func write(to folder: String) throws {
      var request = TaskData.Request(kinds: try taskKinds(tasks))
      request.tier = try checkedTier(tier) ?? 1
      request.seed = seed ?? 0
      for (split, count) in [
        (TaskSplit.demonstrations, demonstrations), (.prompts, prompts), (.heldOut, heldOut),
      ] {
        guard let count else { continue }
        guard (1...1 << 20).contains(count) else {
          throw CommandError("--\(split.rawValue) \(count): must be from 1 to 1,048,576")
        }
        request.counts[split] = count
      }
      for (name, share) in [("spoiled", spoiled), ("scratchpad", scratchpad)] {
        if let share, !(0...1).contains(share) {
          throw CommandError("--\(name) \(share): must be from 0 to 1")
        }
      }
      if scratchpad != nil, !request.kinds.contains(.digitSum) {
        throw CommandError("--scratchpad has no effect without the task digit-sum")
      }
      request.spoiled = spoiled
      request.worked = scratchpad ?? request.worked
      let data = try TaskData(request)
      try TaskFolder.write(data, to: folder)
      try show(summary(data, folder))
    }

    private func summary(_ data: TaskData, _ folder: String) -> String {
      var table = TextTable([.left])
      for split in TaskSplit.allCases {
        table.add("\(split.rawValue).jsonl", "\(grouped(data.questions[split]?.count ?? 0)) lines")
      }
      table.add("tokenizer.json", "\(grouped(data.tokenizer.vocabularySize)) tokens")
      let rewards = data.request.kinds.map { "  \($0.rawValue): rewards: \($0.rewardsText)\n" }
      return "\(folder):\n\(table.text())\(rewards.joined())"
    }
  }

  /// The names of all tasks, for help.
  let taskNames = TaskKind.allCases.map(\.rawValue).joined(separator: ", ")

  /// Tasks by their names, none twice.
  func taskKinds(_ names: [String]) throws(CommandError) -> [TaskKind] {
    var kinds: [TaskKind] = []
    for name in names {
      guard let kind = TaskKind(rawValue: name) else {
        let all = TaskKind.allCases.map(\.rawValue)
        let advice = nearestName(to: name, among: all).map { "did you mean \($0)?" }
        throw CommandError(
          "--task \(name): there is no such task; \(advice ?? "there are \(taskNames)")")
      }
      guard !kinds.contains(kind) else { throw CommandError("--task \(name): is given twice") }
      kinds.append(kind)
    }
    return kinds
  }

  /// A tier that there is.
  func checkedTier(_ tier: Int?) throws(CommandError) -> Int? {
    if let tier, !TaskKind.tiers.contains(tier) {
      throw CommandError("--tier \(tier): must be 1 or 2")
    }
    return tier
  }
#endif
