// The sequence-wise balance loss of DeepSeek-V3 (arXiv 2412.19437, equations 17 to 20). Per sequence
// of T tokens with E experts of which K are chosen:
//   f_i = E / (K T) * (tokens that chose i),  s'_it = s_it / sum_j s_jt,  P_i = mean over t of s'_it,
//   loss = alpha * sum_i f_i P_i.
// f_i is a count and takes no gradient.

/// The balance loss of every sequence, summed over sequences in Double.
///
/// - Parameters:
///   - scores: (rows, experts), from the router; experts: (rows, chosen), whose counts make f.
///   - sequence: tokens of a sequence; rows are whole sequences.
public func balanceLoss(
  scores: UnsafePointer<Float>, experts: UnsafePointer<Int32>, rows: Int, sequence: Int,
  alpha: Double, _ rule: RouterRule
) -> Double {
  precondition(sequence > 0 && rows >= 0 && rows % sequence == 0, "rows are whole sequences")
  var loss = 0.0
  var first = 0
  while first < rows {
    let load = loads(experts, first: first, sequence, rule)
    for row in first..<first + sequence {
      let score = scores + row * rule.experts
      var (sum, weighted) = (0.0, 0.0)
      for expert in 0..<rule.experts {
        sum += Double(score[expert])
        weighted += Double(score[expert]) * load[expert]
      }
      loss += alpha * weighted / (sum * Double(sequence))
    }
    first += sequence
  }
  return loss
}

/// scoreGradient (rows, experts), overwritten: `scale` times the gradient of the summed loss.
public func balanceLossBackward(
  _ scoreGradient: UnsafeMutablePointer<Float>, scores: UnsafePointer<Float>,
  experts: UnsafePointer<Int32>, rows: Int, sequence: Int, alpha: Double, scale: Double = 1,
  _ rule: RouterRule
) {
  precondition(sequence > 0 && rows >= 0 && rows % sequence == 0, "rows are whole sequences")
  var first = 0
  while first < rows {
    balanceGradient(
      scoreGradient, scores: scores, rows: first..<first + sequence,
      load: loads(experts, first: first, sequence, rule), factor: scale * alpha / Double(sequence))
    first += sequence
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

/// f_i of one sequence.
private func loads(
  _ experts: UnsafePointer<Int32>, first: Int, _ sequence: Int, _ rule: RouterRule
) -> [Double] {
  var counts = [Int](repeating: 0, count: rule.experts)
  for slot in first * rule.chosen..<(first + sequence) * rule.chosen {
    let expert = Int(experts[slot])
    precondition(expert >= 0 && expert < rule.experts, "an expert's number lies in range")
    counts[expert] += 1
  }
  let factor = Double(rule.experts) / Double(rule.chosen * sequence)
  return counts.map { Double($0) * factor }
}
