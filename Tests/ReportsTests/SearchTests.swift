import Foundation
import Testing

/// The command that searches: what it prints, writes and refuses.
@Suite struct SearchTests {
  private static let place =
    "search --model llama-3.1-8b --cluster h100-2048 --gpus 16 --global-batch 64 --sequence 4096"
  private static let narrow =
    "\(place) --set plan.schedule=1f1b,zb-h1 --set plan.microbatch-size=1 "
    + "--set plan.recompute=none,full --set plan.overlap.tensor-exchange=false --no-doubt"

  private func object(_ text: String) throws -> [String: Any] {
    let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
    return try #require(object)
  }

  /// The best plan is written, and `simulate` gives the same step for the file.
  @Test func whatIsWrittenSimulatesToTheSame() throws {
    let scratch = try Scratch()
    let path = scratch.file("best.yaml")
    let found = try Command.run("\(Self.narrow) --json --write \(path)")
    #expect(found.status == 0, "\(found.errors)")
    let object = try object(found.output)
    let plans = try #require(object["plans"] as? [[String: Any]])
    let steps = plans.compactMap { $0["step_seconds"] as? Double }
    #expect(steps.count == 10 && steps == steps.sorted())
    let simulated = try Command.run(
      "simulate --model llama-3.1-8b --cluster h100-2048 --plan \(path) --json")
    let figures = try #require(
      try JSONSerialization.jsonObject(with: Data(simulated.output.utf8)) as? [String: Any])
    #expect(figures["step_seconds"] as? Double == steps[0])
    let memory = try #require(figures["memory_bytes"] as? [String: Int])
    #expect(memory == plans[0]["memory_bytes"] as? [String: Int])
    let space = try #require(object["space"] as? [String: Any])
    func count(_ key: String) -> Int { space[key] as? Int ?? -1 }
    #expect(
      count("size") == count("refused") + count("out_of_memory") + count("bounded")
        + count("simulated"))
    #expect(plans[0]["days"] is NSNull && plans[0]["us_dollars"] is NSNull)
    #expect(try #require(object["indifferent"] as? Int) >= 1)
    for plan in plans {
      #expect(plan["fits"] as? Bool == true)
      let memory = try #require(plan["memory_bytes"] as? [String: Int])
      let margin =
        try #require(memory["limit"]) - (memory["reserve"] ?? 0) - (memory["reserved"] ?? 0)
      #expect(plan["margin_bytes"] as? Int == margin)
    }
  }

  /// A measured run moves the plans that are listed: that which was measured lies at what was measured, or
  /// nearly, and with less doubt than without.
  @Test func anchorsMoveWhatIsListed() throws {
    let scratch = try Scratch()
    let path = scratch.file("best.yaml")
    let first = try object(
      try Command.run("\(Self.narrow) --count 3 --json --write \(path)").output)
    #expect(first["anchored"] == nil)
    let steps = try #require(first["plans"] as? [[String: Any]]).compactMap {
      $0["step_seconds"] as? Double
    }
    #expect(steps.count == 3)
    func anchored(_ options: String) throws -> (answer: [String: Any], ends: [[String: Double]]) {
      let found = try Command.run("\(Self.narrow) --count 3 --json \(options)")
      #expect(found.status == 0, "\(found.errors)")
      let answer = try object(found.output)
      let plans = try #require(answer["plans"] as? [[String: Any]])
      #expect(plans.compactMap { $0["step_seconds"] as? Double } == steps)
      return (
        try #require(answer["anchored"] as? [String: Any]),
        plans.compactMap { $0["anchored_step_seconds"] as? [String: Double] }
      )
    }
    let before = try anchored("--interval").ends
    let after = try anchored(
      "--anchor \(path) --measured \(1.1 * steps[0])s --measured-memory 70GiB")
    #expect(before.count == 3 && after.ends.count == 3)
    for (index, step) in steps.enumerated() {
      let (free, held) = (before[index], after.ends[index])
      let middle = try #require(free["middle"])
      #expect(abs(middle / step - 1) < 1e-9)
      let moved = try #require(held["middle"])
      #expect(moved > 1.05 * step && moved < 1.1 * step)
      let widths = try [free, held].map {
        try #require($0["high"]) / #require($0["low"])
      }
      #expect(widths[1] < widths[0])
    }
    let anchors = try #require(after.answer["anchors"] as? [[String: Any]])
    #expect(anchors.count == 1 && anchors[0]["simulated_seconds"] as? Double == steps[0])
    #expect(after.answer["fastest"] as? Int == 1)
  }

  /// A search has no plan of its own that could have been measured.
  @Test func measuredNeedsAnAnchor() throws {
    let found = try Command.run("\(Self.narrow) --measured 1s")
    #expect(found.status == 1 && found.errors.contains("--measured is the step of an --anchor"))
  }

  /// With a budget of tokens plans have days and money, and a deadline that none keeps is status 9.
  @Test func deadlinesAndBudgets() throws {
    let found = try Command.run("\(Self.narrow) --tokens 1B --price 3 --json")
    let plans = try #require(try object(found.output)["plans"] as? [[String: Any]])
    let step = try #require(plans[0]["step_seconds"] as? Double)
    let days = try #require(plans[0]["days"] as? Double)
    // A step has 64 sequences of 4,096 tokens.
    let expected = 1e9 / (64 * 4096) * step / 86_400
    #expect(abs(days / expected - 1) < 1e-9)
    let dollars = try #require(plans[0]["us_dollars"] as? Double)
    #expect(abs(dollars / (expected * 24 * 16 * 3) - 1) < 1e-9)
    for limit in ["--deadline \(days / 10)d", "--budget \(dollars / 10)"] {
      let none = try Command.run("\(Self.narrow) --tokens 1B --price 3 \(limit)")
      #expect(none.status == 9 && none.errors.contains("give them more time or money"))
    }
    let enough = try Command.run("\(Self.narrow) --tokens 1B --deadline \(days * 1.001)d --json")
    let kept = try #require(try object(enough.output)["plans"] as? [[String: Any]])
    #expect(kept.allSatisfy { ($0["days"] as? Double ?? .infinity) <= days * 1.001 })
    #expect(kept.first?["step_seconds"] as? Double == step)
  }

  @Test func memoryLimits() throws {
    let found = try Command.run("\(Self.narrow) --max-memory 40GiB --margin 2GiB --json")
    let plans = try #require(try object(found.output)["plans"] as? [[String: Any]])
    #expect(!plans.isEmpty)
    for plan in plans {
      let memory = try #require(plan["memory_bytes"] as? [String: Int])
      #expect((memory["peak"] ?? .max) + (memory["reserve"] ?? 0) <= 38 << 30)
    }
    let least = try Command.run("\(Self.narrow) --objective memory --json")
    let peaks = try #require(try object(least.output)["plans"] as? [[String: Any]])
      .compactMap { ($0["memory_bytes"] as? [String: Int])?["peak"] }
    #expect(peaks == peaks.sorted() && peaks.count == 10)
  }

  @Test func commaSeparated() throws {
    let csv = try Command.run("\(Self.narrow) --count 3 --csv").output.split(separator: "\n")
    #expect(csv.count == 4 && csv[0].hasPrefix("rank,gpus,step_seconds,"))
    #expect(csv[1].hasPrefix("1,16,"))
  }

  /// The fewest GPUs are the first of the ladder on which something fits, and there is a curve.
  @Test func fewest() throws {
    let command =
      Self.narrow.replacing("--gpus 16", with: "--gpus fewest")
      + " --set plan.tensor-parallel=1,2 --set plan.layers-per-stage=even --json"
    let found = try Command.run(command)
    #expect(found.status == 0, "\(found.errors)")
    let answer = try object(found.output)
    let curve = try #require(answer["curve"] as? [[String: Any]])
    let plans = try #require(answer["plans"] as? [[String: Any]])
    let first = try #require(curve.first { $0["step_seconds"] != nil })
    #expect(first["gpus"] as? Int == plans.first?["gpus"] as? Int)
    let counts = curve.compactMap { $0["gpus"] as? Int }
    #expect(counts == counts.sorted())
    #expect(curve.prefix { $0["step_seconds"] == nil }.allSatisfy { $0["reason"] is String })
  }

  @Test func thePage() throws {
    let page = try Command.run("\(Self.narrow) --count 3").output
    for line in page.split(separator: "\n") where !line.contains("|") {
      #expect(line.count <= 100, "\(line)")
    }
    for part in [
      "What plan 1 still loses: ", "Plan 2 takes ", "Space: ", "Grid: ", "Same for all: ",
      "Plan 1 leaves ", "The model's steps of this kind are off by ",
    ] {
      #expect(page.contains(part), "\(page)")
    }
  }

  /// Constants are moved where nobody says otherwise, and the page names those that decide or says that none
  /// does.
  @Test func theDoubt() throws {
    let line =
      Self.narrow.replacing(" --no-doubt", with: "")
      + " --set plan.pipeline-parallel=1 --set plan.zero-stage=1,3"
    let found = try Command.run("\(line) --json")
    let changes = try #require(try object(found.output)["winner_changes"] as? [[String: Any]])
    for change in changes {
      let factor = try #require(change["factor"] as? Double)
      #expect(factor != 1)
      #expect(factor >= (change["least_factor"] as? Double ?? .infinity))
      #expect(factor <= (change["greatest_factor"] as? Double ?? 0))
    }
    let page = try Command.run(line).output.split(whereSeparator: \.isWhitespace)
      .joined(separator: " ")
    #expect(page.contains(changes.isEmpty ? "No single constant" : "is the best once"), "\(page)")
  }

  /// The output does not depend on the number of threads, but for what says how long it took.
  @Test func threadsDoNotShow() throws {
    func plain(_ threads: Int) throws -> String {
      try Command.run("\(Self.narrow) --threads \(threads)").output
        .replacing(/\s+/, with: " ").replacing(/; [0-9.]+ s on [0-9]+ threads?/, with: "")
    }
    #expect(try plain(1) == plain(2))
  }

  @Test func severalNumbersOfGPUs() throws {
    let page = try Command.run(Self.narrow.replacing("--gpus 16", with: "--gpus 8,16")).output
    #expect(page.contains("on 8 GPUs") && page.contains("on 16 GPUs"))
    // The page lists them as the JSON does, the best of all first.
    let answer = try object(
      try Command.run(Self.narrow.replacing("--gpus 16", with: "--gpus 8,16") + " --json").output)
    let plans = try #require(answer["plans"] as? [[String: Any]])
    let steps = plans.compactMap { $0["step_seconds"] as? Double }
    let listed = page.matches(of: #/(?m)^ +([0-9]+) +best +([0-9]+) +([0-9.]+) /#)
      .map { ($0.1, $0.2, $0.3) }
    let rows = listed.prefix(plans.count)
    #expect(rows.count == plans.count)
    for (index, row) in rows.enumerated() {
      let step = try #require(Double(row.2))
      #expect(Int(row.0) == index + 1 && Int(row.1) == plans[index]["gpus"] as? Int)
      #expect(abs(step / steps[index] - 1) < 1e-3, "\(page)")
    }
    // Sentences name plans by their places there.
    for gpus in ["8", "16"] {
      let first = try #require(listed.first { $0.1 == gpus })
      #expect(page.contains("What plan \(first.0) still loses"), "\(page)")
    }
  }

  @Test(arguments: [
    ("--gpus 0", "--gpus 0: expected"), ("--gpus 8,x", "--gpus 8,x: expected"),
    ("--gpus 8 --margin 5", "--margin 5: "), ("--gpus 8 --margin 90GiB", "--margin 90GiB: leaves"),
    ("--gpus 8 --set plan.tensor-paralel=2", "--set: tensor-paralel: unknown key"),
    ("--gpus 8 --exclude plan.schedule=none", "--exclude: schedule"),
    ("--gpus 8 --count 0", "--count 0"), ("--gpus 8 --framework jax", "--framework"),
    ("--gpus 8 --deadline 3d", "give its --tokens"), ("--gpus 8 --budget 0", "--budget 0"),
    ("--gpus 8 --deadline 3 --tokens 1T", "--deadline 3: expected"),
    ("--gpus 8 --max-memory 90GiB", "--max-memory 90GiB: must"),
    ("--gpus 8 --json --csv", "exclude each other"), ("--gpus 8 --objective speed", "--objective"),
  ])
  func refusals(options: String, message: String) throws {
    let result = try Command.run(
      "search --model llama-3.1-8b --cluster h100-2048 --global-batch 8 --sequence 4096 \(options)")
    #expect(result.status == 1 && result.output.isEmpty)
    #expect(result.errors.contains(message), "\(result.errors)")
    #expect(result.errors.split(separator: "\n").count == 1)
  }

  @Test func needsABatch() throws {
    let result = try Command.run("search --sequence 4096 --gpus 8")
    #expect(result.status == 1)
    #expect(result.errors == "sluice: search: needs --global-batch, or --set plan.global-batch\n")
  }

  @Test func nothingAdmissible() throws {
    let result = try Command.run(
      "search --model llama-3.1-405b --cluster h100-2048 --gpus 8 --global-batch 8 --sequence 4096")
    #expect(result.status == 9)
    #expect(result.errors.hasPrefix("sluice: no plan of llama-3.1-405b on 8 GPUs"))
    #expect(result.errors.contains("GiB more than"), "\(result.errors)")
    #expect(result.errors.contains("more GPUs"))
  }
}
