import ArgumentParser
import Clusters
import Planning
import Quantities

/// What plans of a search have to keep to.
struct SearchLimits: ParsableArguments {
  @Option(help: "Memory of a GPU that stays free, such as 5GiB; none by default.")
  var margin: String?

  @Option(help: "Memory of a GPU that a step may need, such as 70GiB; by default all of it.")
  var maxMemory: String?

  @Option(help: "Time for all of --tokens, such as 30d or 36h.")
  var deadline: String?

  @Option(help: "US dollars for all of --tokens.")
  var budget: Double?

  /// Bytes that a step may need, reserve and all.
  func memory(of cluster: Cluster) throws(CommandError) -> Int {
    let memory = Int(cluster.device.memory.size.value.bytes)
    var limit = memory
    if let maxMemory {
      let size = try Self.size(maxMemory, of: "--max-memory")
      guard size > 0, size <= memory else {
        throw CommandError(
          "--max-memory \(maxMemory): must be above 0 and no more than the device's "
            + "\(ByteCount(memory))")
      }
      limit = size
    }
    guard let margin else { return limit }
    let size = try Self.size(margin, of: "--margin")
    guard size < limit else {
      throw CommandError("--margin \(margin): leaves nothing of \(ByteCount(limit))")
    }
    return limit - size
  }

  private static func size(_ text: String, of option: String) throws(CommandError) -> Int {
    switch ByteCount.parse(text) {
    case .value(let size): return Int(size.bytes)
    case .refused(let rule): throw CommandError("\(option) \(text): \(rule)")
    }
  }

  /// Seconds that all of the tokens may take.
  private func seconds() throws(CommandError) -> Double? {
    guard let deadline else { return nil }
    let units: [Character: Double] = ["h": 3600, "d": 86_400, "w": 7 * 86_400]
    let number = deadline.dropLast().reversed().drop { $0 == " " }.reversed()
    guard let unit = deadline.last.flatMap({ units[$0] }), let count = Double(String(number)),
      count.isFinite, count > 0
    else {
      throw CommandError(
        "--deadline \(deadline): expected a number above 0 with its unit: h, d or w, such as 30d")
    }
    return count * unit
  }

  /// Seconds that a step may take; nil where nothing is said.
  ///
  /// - Parameters:
  ///   - tokens: of the whole run.
  ///   - price: US dollars for a GPU for an hour.
  ///   - perStep: tokens of a step.
  func longestStep(
    tokens: Double?, price: Double, devices: Int, perStep: Int
  ) throws(CommandError) -> Double? {
    if let budget, !(budget.isFinite && budget > 0) {
      throw CommandError("--budget \(budget): must be above 0 US$")
    }
    let time = try seconds()
    guard time != nil || budget != nil else { return nil }
    guard let tokens else {
      throw CommandError(
        "\(time != nil ? "--deadline" : "--budget") is for all of a run: give its --tokens, too")
    }
    let affordable = budget.flatMap { budget in
      price > 0 ? budget / price / Double(devices) * 3600 : nil
    }
    guard let all = [time, affordable].compactMap(\.self).min() else { return nil }
    return all * Double(perStep) / tokens
  }
}
