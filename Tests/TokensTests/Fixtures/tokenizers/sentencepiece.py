"""Trains small tokenizers of SentencePiece's kind and writes what the package gives for nasty texts.

python sentencepiece.py (tokenizers 0.23.3); the text is Debian's copy of the GPL version 3.
"""
import json
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers,
                        trainers)

lines = open('/usr/share/common-licenses/GPL-3').read().split('\n')
more = ['Zwölf große Boxkämpfer jagen Viktor über den Sylter Deich', '私は学生です。', 'Привет, мир',
        'ab 12 345 6789 0', 'don\'t can\'t we\'ll', 'à bientôt, déjà vu']
text = lines + more * 5
special = ['<unk>', '<s>', '</s>']
strip = decoders.Sequence([decoders.Replace('▁', ' '), decoders.ByteFallback(), decoders.Fuse(),
                           decoders.Strip(' ', 1, 0)])


def with_bytes(value):
  """The same with tokens for single bytes behind the special ones."""
  vocabulary = value['model']['vocab']
  names = [f'<0x{b:02X}>' for b in range(256)]
  if value['model']['type'] == 'Unigram':
    value['model']['vocab'] = vocabulary[:3] + [[n, -20.0] for n in names] + vocabulary[3:]
  else:
    moved = {k: v if v < 3 else v + 256 for k, v in vocabulary.items()}
    moved.update({n: 3 + i for i, n in enumerate(names)})
    value['model']['vocab'] = moved
  value['model']['byte_fallback'] = True
  return value


def pairs(spaces, decoder, bytes=True, normalizer=None, more=[]):
  tokenizer = Tokenizer(models.BPE(unk_token='<unk>', fuse_unk=True))
  if normalizer: tokenizer.normalizer = normalizer
  tokenizer.pre_tokenizer = spaces
  tokenizer.decoder = decoder
  trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=special, show_progress=False,
                                limit_alphabet=90)
  tokenizer.train_from_iterator(text, trainer)
  value = json.loads(tokenizer.to_str())
  tokenizer = Tokenizer.from_str(json.dumps(with_bytes(value) if bytes else value))
  tokenizer.add_tokens(more)
  return tokenizer


def unigram(normalizer, decoder, bytes, spaces=pre_tokenizers.Metaspace()):
  tokenizer = Tokenizer(models.Unigram())
  if normalizer: tokenizer.normalizer = normalizer
  tokenizer.pre_tokenizer = spaces
  tokenizer.decoder = decoder
  trainer = trainers.UnigramTrainer(vocab_size=400, special_tokens=special, unk_token='<unk>',
                                    show_progress=False, shrinking_factor=0.75)
  tokenizer.train_from_iterator(text, trainer)
  value = json.loads(tokenizer.to_str())
  # The numbers of the special tokens, of which training takes the first alone.
  return Tokenizer.from_str(json.dumps(with_bytes(value) if bytes else value))


space = pre_tokenizers.Metaspace
made = {
  # Mistral's and later Llama 2's: the first piece of a text alone begins with a mark.
  'first-unsplit': pairs(space(prepend_scheme='first', split=False), strip,
                         more=[AddedToken('[INST]', normalized=False),
                               AddedToken('the end', normalized=True)]),
  'always-split': pairs(space(), decoders.Metaspace(), bytes=False),
  'never-digits': pairs(
      pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                               space(prepend_scheme='never', split=True)]),
      decoders.Metaspace(prepend_scheme='never'), normalizer=normalizers.NFC()),
  'unigram-bytes': unigram(
      normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(' {2,}'), ' ')]),
      decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()]), True),
  'unigram-unknown': unigram(None, decoders.Metaspace(prepend_scheme='first'), False,
                             space(prepend_scheme='first', split=False)),
}
nasty = [
  '', ' ', '  ', '   ', 'a', ' a', '  a', 'a ', 'a  ', 'the', 'the program', '  the  program  ',
  'This License', '\n', '\n\n', ' \n ', '\t', 'a\tb', 'a\r\nb', '\0', 'a\0b', '▁', '▁a', 'a▁b',
  '▁▁ a', ' ▁', 'é', 'e\u0301', ' \u0301a', 'ﬁne', '½ ①', 'ＡＢＣ', '\u00a0', 'a\u00a0b', '\u3000x',
  '\u200b', '\u200d', '👩\u200d👩\u200d👧', '🤗 hugs', 'x🤗🤗y', '私は学生です。', 'Привет, мир',
  'שלום עולם', 'नमस्ते', '\ufeffbom', '\ufffd', '\U0010ffff', '<s>', '</s>', '<s>a</s>', ' <s> a </s> b',
  '<s> <s>', '<unk>', 'a<unk>b', '<0x0A>', '<0x41>b', '<pad>', '< s>', '[INST]', '[INST] the [INST]',
  'x[INST]y', 'the end', ' the end', 'of the end of', 'xthe endx', '12345', 'a1b22', ' 1 2', '3.14e-10',
  'don\'t', 'we\'ll', 'a' * 70, 'ab' * 40, ' ' * 30, 'a' + ' ' * 9 + 'b', 'ß' * 9, '№ 5 ™', '…', '“q”',
  'GNU GENERAL PUBLIC LICENSE Version 3', 'zzzz qqqq', 'x̂ ŷ', 'Å Å', '\u1100\u1161', '가', 'ǅ', 'İi',
]
for name, tokenizer in made.items():
  tokenizer.save(f'spaces-{name}.json', pretty=False)
expected = []
for line in nasty:
  item = dict(text=line)
  for name, tokenizer in made.items():
    ids = tokenizer.encode(line, add_special_tokens=False).ids
    item[name] = dict(tokens=ids, decoded=tokenizer.decode(ids, skip_special_tokens=False))
  expected.append(item)
whole = '\n'.join(lines)
sums = {}
for name, tokenizer in made.items():
  ids = tokenizer.encode(whole, add_special_tokens=False).ids
  sums[name] = [len(ids), sum(i * t for i, t in enumerate(ids)) % 1_000_003]
json.dump(dict(texts=expected, licence=sums), open('spaces-expected.json', 'w'), ensure_ascii=True,
          separators=(',', ':'))
print(sums)
