import Costs

/// What follows the head's scores in a step of serving: the next token of every sequence is drawn.
///
/// Operator by operator, as vLLM draws where no probability is cut off (`vllm/v1/sample/sampler.py` and
/// `ops/topk_topp_sampler.py`): scores are cast to 32 bits, divided by the temperature and made probabilities; these are
/// divided by noise, and the largest quotient is the token. Who asks for the probabilities of what was drawn, as
/// reinforcement learning does, has a softmax more and a pass that ranks the tokens. A module that drafts takes its
/// largest score.
struct TokenChoice {
  /// Scored tokens of all sequences.
  var rows: Int
  var vocabulary: Int
  /// Bytes of a score as the head's product leaves it.
  var scoreBytes: Double
  var isDraft: Bool
  var returnsProbabilities: Bool

  /// The passes over all scores.
  var passes: [MemoryPass] {
    let drawn: [(StreamingClass, Double)] = [
      (.elementwise, scoreBytes + 4), (.elementwise, 8), (.operatorOfSoftmax, 8),
      (.elementwise, 4), (.elementwise, 12), (.elementwise, 4),
    ]
    let returned: [(StreamingClass, Double)] = [
      (.operatorOfSoftmax, scoreBytes + 4), (.elementwise, 4),
    ]
    let all =
      isDraft ? [(.elementwise, scoreBytes)] : drawn + (returnsProbabilities ? returned : [])
    return all.map { MemoryPass($0.0, $0.1 * Double(rows * vocabulary)) }
  }

  /// Bytes that are held at a time: scores, the same in 32 bits, probabilities and noise, and what is returned.
  var heldBytes: Int {
    let each = isDraft ? scoreBytes : scoreBytes + 12 + (returnsProbabilities ? 4 : 0)
    return Int(each) * rows * vocabulary
  }
}
