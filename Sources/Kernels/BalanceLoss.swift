// The sequence-wise balance loss of DeepSeek-V3 (arXiv 2412.19437, equations 17 to 20). Per sequence
// of T tokens with E experts of which K are chosen:
//   f_i = E / (K T) * (tokens that chose i),  s'_it = s_it / sum_j s_jt,  P_i = mean over t of s'_it,
//   loss = alpha * sum_i f_i P_i.
// f_i is a count and takes no gradient.

/// Rows over which routers are balanced: a sequence, or what of it counts.
public struct BalanceRun: Hashable, Sendable {
  public var rows: Range<Int>
  /// What the loss of the rows is multiplied by.
  public var weight: Double

  public init(_ rows: Range<Int>, weight: Double = 1) { (self.rows, self.weight) = (rows, weight) }
}

/// The balance loss of every run of rows, summed over runs in Double.
///
/// - Parameter scores: (rows, experts), from the router; experts: (rows, chosen), whose counts make f.
public func balanceLoss(
  scores: UnsafePointer<Float>, experts: UnsafePointer<Int32>, runs: [BalanceRun],
  alpha: Double, _ rule: RouterRule
) -> Double {
  var loss = 0.0
  for run in runs {
    let load = loads(experts, run.rows, rule)
    for row in run.rows {
      let score = scores + row * rule.experts
      var (sum, weighted) = (0.0, 0.0)
      for expert in 0..<rule.experts {
        sum += Double(score[expert])
        weighted += Double(score[expert]) * load[expert]
      }
      loss += run.weight * alpha * weighted / (sum * Double(run.rows.count))
    }
  }
  return loss
}

/// scoreGradient (rows, experts), overwritten: `scale` times the gradient of the summed loss; 0 in rows of no
/// run.
public func balanceLossBackward(
  _ scoreGradient: UnsafeMutablePointer<Float>, scores: UnsafePointer<Float>,
  experts: UnsafePointer<Int32>, rows: Int, runs: [BalanceRun], alpha: Double,
  scale: Double = 1, _ rule: RouterRule
) {
  scoreGradient.update(repeating: 0, count: rows * rule.experts)
  for run in runs {
    balanceGradient(
      scoreGradient, scores: scores, rows: run.rows, load: loads(experts, run.rows, rule),
      factor: scale * run.weight * alpha / Double(run.rows.count))
  }
}

/// Gradients of `factor · Σ load_i s'_i`, row by row; `load` takes none.
func balanceGradient(
  _ scoreGradient: UnsafeMutablePointer<Float>, scores: UnsafePointer<Float>, rows: Range<Int>,
  load: [Double], factor: Double
) {
  for row in rows {
    let score = scores + row * load.count
    var (sum, weighted) = (0.0, 0.0)
    for expert in load.indices {
      sum += Double(score[expert])
      weighted += Double(score[expert]) * load[expert]
    }
    for expert in load.indices {
      let gradient = factor / sum * (load[expert] - weighted / sum)
      scoreGradient[row * load.count + expert] = Float(gradient)
    }
  }
}

/// f_i of some rows.
private func loads(
  _ experts: UnsafePointer<Int32>, _ rows: Range<Int>, _ rule: RouterRule
) -> [Double] {
  precondition(!rows.isEmpty, "a run has rows")
  var counts = [Int](repeating: 0, count: rule.experts)
  for slot in rows.lowerBound * rule.chosen..<rows.upperBound * rule.chosen {
    let expert = Int(experts[slot])
    precondition(expert >= 0 && expert < rule.experts, "an expert's number lies in range")
    counts[expert] += 1
  }
  let factor = Double(rule.experts) / Double(rule.chosen * rows.count)
  return counts.map { Double($0) * factor }
}
