import Plans

/// What is wrong with how the program was called.
struct UsageError: Error, CustomStringConvertible {
  var description: String

  init(_ description: String) { self.description = description }
}

/// Options of the form `key=value`.
struct Options: Sendable {
  private static let known = [
    "dp", "pp", "vpp", "ep", "microbatch", "batch", "schedule", "sends", "steps", "lanes",
    "prompt", "tokens", "rows", "python",
  ]
  private var values: [String: String] = [:]

  init(_ arguments: [String]) throws {
    for argument in arguments {
      let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2, Self.known.contains(parts[0]) else {
        throw UsageError("\(argument): the options are \(Self.known.joined(separator: ", "))")
      }
      switch parts[0] {
      case "schedule", "python": break
      case "sends":
        guard Plan.SendMode(rawValue: parts[1]) != nil else {
          throw UsageError("\(argument): sends are batched or eager")
        }
      default:
        guard let value = Int(parts[1]), value > 0 else {
          throw UsageError("\(argument): must be a whole number above 0")
        }
      }
      values[parts[0]] = parts[1]
    }
  }

  private func number(_ key: String, usual: Int) -> Int { values[key].flatMap(Int.init) ?? usual }

  /// How many steps are timed, behind one that is not.
  var steps: Int { number("steps", usual: 7) }

  /// Of rollouts: completions at once, tokens of a prompt and behind it, rows of a block where not as many
  /// as a generator chooses, and a Python that has torch.
  func batch(usual: Int) -> Int { number("batch", usual: usual) }
  var prompt: Int { number("prompt", usual: 16) }
  var tokens: Int { number("tokens", usual: 64) }
  var rows: Int? { values["rows"].flatMap(Int.init) }
  var python: String? { values["python"] }

  var schedule: String { values["schedule"] ?? "1f1b" }

  /// The plan for a model's batch.
  func plan(for model: BenchModel) -> Plan {
    var plan = Plan()
    plan.precision = .float32
    plan.zeroStage = .optimizer
    plan.dataParallel = number("dp", usual: 1)
    plan.pipelineParallel = number("pp", usual: 1)
    plan.stagesPerRank = number("vpp", usual: 1)
    plan.expertParallel = number("ep", usual: 1)
    plan.schedule = .named(schedule)
    plan.sendMode = values["sends"].flatMap(Plan.SendMode.init) ?? .batched
    plan.globalBatch = number("batch", usual: model.batch)
    plan.microbatchSize = number("microbatch", usual: plan.globalBatch / plan.dataParallel)
    plan.sequenceLength = model.sequence
    plan.gradientLanes = values["lanes"].flatMap(Int.init)
    return plan
  }
}
