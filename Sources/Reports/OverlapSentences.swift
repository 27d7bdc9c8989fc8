import Quantities

extension OverlapFigures {
  func milliseconds(_ seconds: Double) -> String { fixed(seconds * 1e3, decimals: 2) }

  /// How near the bound it is, and how far the answer hangs on what nobody has published.
  var bounds: [String] {
    var lines = [
      "No order of the pair's kernels on \(multiprocessors.planned) multiprocessors ends before "
        + "\(milliseconds(boundSeconds)) ms: the planned one is \(percent(gap, decimals: 2)) above; "
        + "segments in pairs by dynamic programming take \(milliseconds(pairwiseSeconds)) ms."
    ]
    if !isExact {
      lines.append(
        "The pair waits for more than its own exchanges, which moving its segments leaves out; the "
          + "times of pair and step are simulated.")
    }
    lines.append(
      survives
        ? "Predicted faster over the whole range."
        : "No gain that survives the whole range: what is faster depends on which kernels run.")
    lines.append(
      "Measured by others: hidden are 82 to 83 % of communication in DHelix, 86.5 % of expert exchanges "
        + "in Comet (8 H800s), 93 % in Megatron-Core's merged pairs.")
    if let step { lines += step.sentences }
    if let schedule {
      lines.append(
        "All passes of a pipeline take \(fixed(schedule.makespanSeconds, decimals: 3)) s in the order "
          + "written (\(schedule.name ?? "planned")), no order on its placement less than "
          + "\(fixed(schedule.boundSeconds, decimals: 3)); "
          + (schedule.bestNamedSeconds.map {
            "\(schedule.bestNamed ?? ""), the best published one within the memory, "
              + "\(fixed($0, decimals: 3)) s."
          } ?? "no published one keeps within the memory."))
    }
    return lines
  }
}

extension OverlapFigures.Step {
  /// As many candidates as a sentence names.
  private static let named = 5

  /// Places of what was tried: what fits before what does not, the fastest first.
  var fastestFirst: [Int] {
    tried.indices.sorted {
      (tried[$0].fits ? 0 : 1, tried[$0].seconds, $0) < (
        tried[$1].fits ? 0 : 1, tried[$1].seconds, $1
      )
    }
  }

  /// What was chosen, what it is at both ends of the exchange's law, and the fastest of what was tried.
  fileprivate var sentences: [String] {
    var lines = [
      (isChanged
        ? "Of the whole step the fastest that is predicted faster over the whole range has: \(change)."
        : "The whole step stays as it is: nothing that fits is predicted faster over the whole range.")
        + " \(tried.count + 1) steps were simulated."
    ]
    for end in ends where isChanged {
      lines.append(
        "The step at the \(end.end) end: \(fixed(end.seconds.published, decimals: 4)) s as it is, "
          + "\(fixed(end.seconds.planned, decimals: 4)) planned.")
    }
    let fastest = fastestFirst.prefix(Self.named).map { tried[$0] }
    guard !fastest.isEmpty else { return lines }
    lines.append(
      "Fastest of what was tried: "
        + fastest.map {
          "\($0.change): \(fixed($0.seconds, decimals: 4)) s" + ($0.fits ? "" : ", does not fit")
        }.joined(separator: "; ") + ".")
    return lines
  }
}
