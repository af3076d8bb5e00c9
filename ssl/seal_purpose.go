package ssl

// MaxSealed bounds what [SealKeys.Seal] takes and [SealKeys.Open] returns.
const MaxSealed = 64 << 20

// sealedForPurpose begins the purposes of applications. No purpose of this package begins so.
const sealedForPurpose = "application "

// Seal encrypts plain under the current key, for [SealKeys.Open] with the same purpose. purpose is a
// name of 1 to 255 bytes, which the application chooses to keep its kinds of sealed data apart. The
// result never opens as a session, and a sealed session never opens with Open. The result is 37 bytes
// longer than plain, which is not changed. Seal returns ErrConfig for another length of purpose,
// ErrTooLarge for more than MaxSealed bytes, and ErrClosed after Close.
func (k *SealKeys) Seal(plain []byte, purpose string) ([]byte, error) {
	const op = "SealKeys.Seal"
	as, err := k.purposeOf(purpose)
	if err == nil && len(plain) > MaxSealed {
		err = ErrTooLarge
	}
	if err != nil {
		return nil, fail(op, err)
	}
	sealed, err := k.seal(plain, as)
	if err != nil {
		return nil, fail(op, err)
	}
	return sealed, nil
}

// Open is the inverse of Seal. It returns ErrSealed for data that was changed, or was sealed with a
// key that is not here or for another purpose, ErrMalformed for data that Seal cannot have made, and
// otherwise the errors of Seal. The caller wipes the result if it is a secret.
func (k *SealKeys) Open(sealed []byte, purpose string) ([]byte, error) {
	const op = "SealKeys.Open"
	as, err := k.purposeOf(purpose)
	if err == nil && len(sealed) > MaxSealed+sealHeadLen+sealTagLen {
		err = ErrTooLarge
	}
	if err != nil {
		return nil, fail(op, err)
	}
	plain, err := k.open(sealed, as)
	if err != nil {
		return nil, fail(op, err)
	}
	return plain, nil
}

func (k *SealKeys) purposeOf(purpose string) (string, error) {
	switch {
	case k == nil:
		return "", ErrNil
	case purpose == "" || len(purpose) > 255:
		return "", configError("a purpose has 1 to 255 bytes, not %d", len(purpose))
	}
	return sealedForPurpose + purpose, nil
}
