### Texts in English. The same messages stand in nl.ftl.

## Every page

page-skip = Skip to the content
page-language = Language
page-help = Help
page-privacy = Privacy
page-accessibility = Accessibility
page-title = { $title } · { $organisation }
page-title-error = Error: { $title } · { $organisation }

## Page 1: the code

unlock-title = { $sender } has sent you a secure message
unlock-from = From
unlock-for = For
unlock-until = Can be read until
unlock-label = Access code
unlock-help = The sender gave you this code by post, by telephone or in person.
unlock-strict = This message has extra protection. Only you can open it, with this link and your code. We cannot. Keep both in a safe place.
unlock-earlier = Earlier access code
unlock-earlier-help = The sender made a new code later. This message opens only with the code that you had before.
unlock-hint = Hint from the sender: { $hint }
unlock-button = Open message
unlock-lost = I have no code, or lost it
unlock-empty = Enter your access code.
unlock-wrong = This code is not right.
unlock-left =
    { $left ->
        [one] You can try 1 more time.
       *[other] You can try { $left } more times.
    }
unlock-again = You can try again from { $time }.
unlock-paused = Too many wrong codes were entered.
unlock-closed = This message is closed now.
unlock-closed-what = Too many wrong codes were entered. Call the sender, who can unlock it for you.
unlock-busy = It is very busy now.
unlock-busy-what = Try again in a minute. This try does not count.
unlock-stale = This page was open for too long.
unlock-stale-what = Enter your code once more. This try does not count.

## Page 1 with a one-time code, by SMS or by e-mail

once-button = Send me the code
once-spent = This code was entered wrongly too often.
once-expired = This code has expired.
once-none = This code was used already, or is no longer valid.
once-anew = Ask for a new code.
once-stale-what = Try once more. This try does not count.
once-full-what = You can ask for another from { $time }.
once-ours-what = This is our fault. Try again later or call the sender.
once-missing-wait = Wait a minute. Sometimes it takes a while.
once-again-what = You will get the same code.
once-tell = Tell the sender

## By SMS. The number shows its last three digits only.

phone-send = We send a code of 6 digits to { $number }.
phone-label = SMS code
phone-help = 6 digits, sent to { $number }. You can use the code until { $until }.
phone-empty = Enter the code from the SMS.
phone-form = An SMS code has 6 digits.
phone-form-what = Look at the SMS and enter all 6 digits. This try does not count.
phone-wait =
    { $seconds ->
        [one] We have just sent an SMS. You can ask for another in 1 second.
       *[other] We have just sent an SMS. You can ask for another in { $seconds } seconds.
    }
phone-full = You asked for an SMS often already.
phone-over = We send no more SMS for this message.
phone-over-what = An SMS was asked for too often. Call the sender, who can unlock the message for you.
phone-ceiling = We cannot send an SMS now.
phone-failed-number = The SMS was not sent.
phone-failed-number-what = This number cannot get an SMS. Tell the sender.
phone-failed-ours = We cannot send an SMS now.
phone-failed-late = The SMS did not arrive.
phone-failed-late-what = Is your telephone on, and does it have a signal? Then ask for another SMS.
phone-delayed = The SMS has not been sent yet. We keep trying. Stay on this page.
phone-missing = No SMS received?
phone-missing-reach = Check that your telephone has a signal. Turn it off and on again if need be.
phone-missing-number = Check that { $number } is the end of your number.
phone-again = Send the SMS again
phone-again-wait =
    { $seconds ->
        [one] You can ask for the SMS again in 1 second.
       *[other] You can ask for the SMS again in { $seconds } seconds.
    }
phone-again-now = You can ask for the SMS again now.
phone-number = Is the telephone number not right?

## By e-mail. The address is shown in part.

mailbox-send = We send a code of 6 digits to { $address }. That is also where you got the e-mail with the link.
mailbox-label = Code from the e-mail
mailbox-help = 6 digits, sent to { $address }. You can use the code until { $until }.
mailbox-empty = Enter the code from the e-mail.
mailbox-form = The code has 6 digits.
mailbox-form-what = Look at the e-mail and enter all 6 digits. This try does not count.
mailbox-wait =
    { $seconds ->
        [one] We have just sent an e-mail. You can ask for another in 1 second.
       *[other] We have just sent an e-mail. You can ask for another in { $seconds } seconds.
    }
mailbox-full = You asked for a code often already.
mailbox-over = We e-mail no more codes for this message.
mailbox-over-what = A code was asked for too often. Call the sender, who can unlock the message for you.
mailbox-ceiling = We cannot e-mail a code now.
mailbox-failed = The e-mail with the code did not arrive.
mailbox-failed-what = Perhaps the mailbox is full, or does not accept our e-mail. Tell the sender.
mailbox-failed-ours = We cannot e-mail the code now.
mailbox-delayed = The e-mail has not been sent yet. We keep trying. Stay on this page.
mailbox-missing = No e-mail received?
mailbox-missing-spam = Look in the folder for junk e-mail (spam) too.
mailbox-missing-address = Look in the mailbox of { $address }. Did somebody forward the e-mail with the link to you? Then the code goes to that person.
mailbox-again = Send the e-mail again
mailbox-again-wait =
    { $seconds ->
        [one] You can ask for the e-mail again in 1 second.
       *[other] You can ask for the e-mail again in { $seconds } seconds.
    }
mailbox-again-now = You can ask for the e-mail again now.
mailbox-none = Do you get no e-mail with the code?
mailbox-level = Whoever can read your e-mail can open this message too. Would you rather not have that?

## Another way

ask-other = Rather open it in another way?
ask-other-sms = Ask for an access code
ask-other-code = Ask for a code by SMS

## Asking the sender for something: first what happens, then that it happened

ask-number-title = Is the telephone number not right?
ask-number-what = The SMS with the code goes to { $number }. Is that not the end of your number? Then we send { $sender } an e-mail.
ask-number-next = The sender must give the right number first. Only then can you open the message, with the same link. You can also call the sender. That is often quicker.
ask-number-button = Tell the sender
ask-mail-title = No e-mail with the code?
ask-mail-what = The e-mail with the code goes to { $address }. First look in the folder for junk e-mail (spam). Is it not there either? Then we send { $sender } an e-mail.
ask-mail-next = The sender can give you an access code. With that you open the message, with the same link. You can also call the sender. That is often quicker.
ask-level-what = You get an access code from the sender, by post, by telephone or in person. Whoever can only read your e-mail cannot open the message then. We send { $sender } an e-mail with your question.
ask-sms-title = Rather an access code?
ask-sms-what = You get an access code from the sender, by post, by telephone or in person. You need no SMS then. We send { $sender } an e-mail with your question.
ask-code-title = Rather a code by SMS?
ask-code-what = We send { $sender } an e-mail with your question. Give your mobile number to the sender yourself, by telephone for example. That cannot be done on this page.
ask-other-next = The sender decides. Nothing changes until the sender has changed it. Until then you open the message as you do now.
ask-other-button = Ask the sender
ask-lost-what = Cannot call? Then we send { $sender } an e-mail that says that you have no code.
ask-lost-button = E-mail the sender
ask-done-title = We are e-mailing the sender
ask-done-before = We have e-mailed the sender already
ask-done-what = { $sender } now gets an e-mail from us. The sender must then do something. We do not know when that will be.
ask-done-again = We sent { $sender } an e-mail about this a short time ago. We do not send another.
ask-done-next = Are you in a hurry? Call the sender. Has it been settled? Open the link in your e-mail again.
ask-again-title = Do you still want to read the message?
ask-again-what = We send { $sender } an e-mail. It says that you still want to read the message.
ask-again-next = The sender decides. If the sender sends it again, you get a new e-mail about it from us. You can also call the sender. That is often quicker.
ask-again-button = Ask the sender to send it again
ask-again-done = Are you in a hurry? Call the sender. If the sender sends the message again, you get a new e-mail about it from us. You can no longer read the message with the link that you have now.
ask-back = Back

## No code, or lost

lost-title = No code, or lost?
lost-call = Call { $sender } and ask for your access code. If the sender no longer knows it, you can get a new one.
lost-strict = Call { $sender } and ask whether they still have your access code. This message has extra protection. If the code is really lost, nobody can open this message any more, and we cannot either. The sender can send it again.
lost-phone = The telephone number of { $organisation }:
lost-never = We never send access codes by e-mail. If anyone asks you for your code, do not give it.
lost-back = I have the code

## The message

message-subject-none = Message without a subject
message-from = From
message-to = To
message-cc = Copy to
message-sent = Sent
message-frame = Contents of the message
message-wide = Open the message full size
message-plain = The layout of this message is too heavy to show here. Below is its text only. The message that you can download has the layout.
message-empty = This message has no text.
message-cut = This message is too long to show here in full. You can download all of it.
earlier-title = Earlier in this conversation
earlier-new = New
others-title = Other messages for you
others-what = You can read them now. You do not need to fill in a code again.
message-files = Attachments
message-file = attachment { $number }
message-pdf = Save as PDF
message-pdf-what = The text of the whole conversation, to keep or to print. Download attachments separately.
pdf-title = { $subject } ({ $organisation })
pdf-files = Attachments of this message
pdf-file = { $name } ({ $size })
pdf-note = Saved on { $moment } from the website of { $organisation }. This is the text, without layout.
pdf-cut = This message is too long for this PDF. The whole message is on the website.
pdf-page = Page { $page }
message-original = Download message
message-original-what = As an e-mail file (.eml), { $size }.
message-logout = Log out
message-idle =
    { $minutes ->
        [one] We log you out when you do nothing for 1 minute.
       *[other] We log you out when you do nothing for { $minutes } minutes.
    }
session-warning = We will log you out in 2 minutes.
session-extend-why = You have not done anything for a while. Do you want to go on reading?
session-extend = Stay logged in
session-last = You have been logged in for a long time. You cannot stay longer. After this, open the link in your e-mail again.
kind-image = Image
kind-mail = E-mail
kind-text = Text
kind-winmail = Outlook file
kind-signature = Digital signature
kind-encrypted = Encrypted e-mail
kind-calendar = Appointment
advice-winmail = This is made by the program Outlook. If you cannot open it, ask the sender to send the attachment by itself.
advice-signature = With this, an e-mail program can check who sent the message. You do not need to do anything with it.
advice-encrypted = You need an e-mail program with your own key to open this. Download the whole message for that.
advice-calendar = Download the appointment to put it in your calendar.
message-view = View
nested-files = To open these attachments, download the whole e-mail.
nested-cut = This e-mail is too long to show here completely. Download the e-mail to read all of it.

## An appointment in the message

calendar-invites = Appointment: { $what }
calendar-cancels = Cancelled: { $what }
calendar-answers = Answer to an appointment: { $what }
calendar-untitled = without a title
calendar-when = When
calendar-elsewhere = In the appointment’s own time zone ({ $zone }): { $time }
calendar-zone = { $time } (time zone: { $zone })
calendar-day = { $day }, all day
calendar-days = { $first } up to and including { $last }
calendar-times = { $day }, { $from } to { $until }
calendar-time = { $day }, { $from }
calendar-between = { $from } to { $until }
calendar-repeats = This appointment comes more than once. This is the first time.
calendar-where = Where
calendar-host = From
calendar-guests = Invited
calendar-more =
    { $count ->
        [one] and 1 other
       *[other] and { $count } others
    }
calendar-save = Download appointment
calendar-save-what = Open the file to put the appointment in your calendar.

## Is this mail genuine?

page-genuine = Is my e-mail genuine?
genuine-title = Is your e‑mail genuine?
genuine-intro = Did you get an e-mail from { $organisation } with the button ‘Open bericht’? Here you can check whether it comes from us.
genuine-label = Reference
genuine-help = You find the reference at the end of the e-mail. It has 8 letters and digits, for example K7QF-2M9D.
genuine-button = Check
genuine-no-reference = This is not a reference. Enter the 8 letters and digits.
genuine-yes = Yes, this e-mail comes from us.
genuine-yes-what = { $organisation } sent an e-mail with this reference on { $sent }, to { $recipient }. Is that not your e-mail address, or did you get the e-mail on another day? Then call us before you press anything.
genuine-unknown = We do not know this reference.
genuine-unknown-what = Perhaps there is a typing error in it, or the message has expired or was withdrawn. In doubt? Do not press anything, and call us.
genuine-later = There were too many questions. Try again in 10 minutes, or call us.
genuine-how = How to know a genuine e-mail of ours
genuine-how-address = After you press the button, the address at the top of your screen begins with { $origin }/
genuine-how-code = You need a code to open the message. We never ask for a password, bank details or a payment.
genuine-how-nothing = The e-mail itself holds no confidential information and no attachment.
genuine-doubt = Still in doubt? Do not press anything, and call the sender on a number that you already know.
genuine-doubt-phone = Still in doubt? Do not press anything, and call us:

## Answering, below the message

answer-title = Answer
answer-yours = Your answer
answer-label = Your answer to { $sender }
answer-most = At most { $file } a file, and { $total } together.
answer-files-most =
    { $most ->
        [one] At most 1 file.
       *[other] At most { $most } files.
    }
answer-add = Add attachment
answer-remove = Remove
answer-send = Send
answer-keep = Keep for later
answer-discard = Discard
answer-kept = We are keeping your answer for you. It has not been sent yet.
answer-saved = Kept. Your answer has not been sent yet.
answer-busy = Your attachment is being uploaded. One moment.
answer-failed = That did not work. Check your connection and try again.
answer-sent = Sent.
answer-sent-below = Your answer is below.
answer-state-sent = sent
answer-state-delivered = delivered to the sender
answer-state-checking = sent; we check the attachments for viruses first
answer-state-infected = not delivered
answer-infected = Our check says that the file { $file } holds a virus. That is why we have not delivered this answer. Send it again without that file.
answer-state-elsewhere = delivered to another mailbox of the organisation
answer-state-lost = not delivered, please call the sender
answer-empty = Write an answer first, or add an attachment.
answer-text-long = Your text is too long. At most { $most } characters. Make your text shorter.
answer-file-large = The file { $file } is too large. A file may be { $size } at most.
answer-total-large = With the file { $file } your attachments become too large. Together they may be { $size } at most.
answer-files-many = The file { $file } cannot be added.
answer-stale = The page stood open too long. Press the button once more.
answer-merged = You wrote this answer in another window too. The attachments of both are below. Check your answer, then press the button once more.
answer-today = You have sent many answers today. Your answer is kept. Try again tomorrow, or call the sender.
answer-no-room = There is no room for the file { $file } now. Try again later. Your text is kept.
answer-ended = You were away too long, so your answer was not sent. Your text is below. Copy it, open the message again with the link in your e-mail, and paste your text into the answer.

## Pages that only say something: a title and what to do

home-title = Secure messages are read here
home-text = Did you get an e-mail with the button ‘Open bericht’? Press that button to go to your message. You need your access code.
gone-title = This message cannot be found here
gone-text = Perhaps the link was not copied completely, or the message has expired or was withdrawn. Open the link in your e-mail again. If that does not work, call the sender.
expired-title = This message has expired
expired-text = You can no longer read this message. The time to read it is over and it has been removed. Do you still need it? The sender can send it again.
recalled-title = This message was withdrawn
recalled-text = The sender has taken this message back. You can no longer read it. Do you have questions? Call the sender.
ended-title = You are not logged in
ended-text = This happens when you do nothing for a while, or when you have logged out. To read the message, open the link in your e-mail again.
restarted-title = Enter your code once more
restarted-text = We have restarted this website. This message has extra protection, so you need to enter your code again after that. Open the link in your e-mail again.
logged-out-title = You are logged out
logged-out-text = To read the message once more, open the link in your e-mail again.
not-found-title = This page does not exist
not-found-text = Check the address, or open the link in your e-mail again.
no-part-title = This attachment does not exist
no-part-text = Go back to the message and choose the attachment again.
no-view-title = This attachment cannot be viewed here
no-view-text = The file does not look like a picture, or it is damaged. Close this page. You can download the attachment below the message. Were you not expecting it? Call the sender first.
refused-title = This is not possible
refused-text = Open the link in your e-mail again and try once more.
too-large-title = This is too much text
too-large-text = Go back and enter only your access code.
busy-title = It is very busy now
busy-text = Try again in a minute. Your message is kept.
broken-title = Something went wrong on our side
broken-text = Your message is kept. Try again in a few minutes. If it keeps going wrong, call us.

## Every mail

mail-greeting = Good day,
mail-greeting-name = Dear { $name },
mail-from = { $organisation } (secure mail)
mail-recipient = { $name } ({ $address })

## Mail: the notice to the recipient. mail-notice-short is the paragraph below a notice in the other language.

mail-notice-subject = Secure message from { $sender }, { $organisation }
mail-notice-subject-nameless = Secure message from { $organisation }
mail-notice-who = { $sender } of { $organisation } has sent you a secure message. You read it on our own website.
mail-notice-open = Open message
mail-notice-address = This is the address of your message:
mail-notice-code = You open the message with your access code. The sender gives you that code by post, by telephone or in person. You can read the message until the end of { $until }.
mail-notice-sms = You open the message with a code of 6 digits, which we send to your telephone by SMS when you ask for it. You can read the message until the end of { $until }.
mail-notice-mail = You open the message with a code of 6 digits, which we e-mail to this e-mail address when you ask for it. You can read the message until the end of { $until }.
mail-notice-again = You received an e-mail about this message before. Since then the sender has changed how you open it. You can open it now.
mail-notice-strict = This message has extra protection. Keep this e-mail and your code in a safe place: without both of them nobody can open the message, and we cannot either.
mail-notice-genuine = Not sure whether this e-mail is genuine? Check that the address bar begins with { $page }/ or call us: { $phone }. The reference of your message is { $reference }. You can check it at { $page }/echt.
mail-notice-short = { $sender } of { $organisation } has sent you a secure message. Open it with the button and your access code. You can read it until the end of { $until }. Not sure whether this e-mail is genuine? Check that the address bar begins with { $page }/ or call us: { $phone }.
mail-notice-short-sms = { $sender } of { $organisation } has sent you a secure message. Open it with the button and a code that we send you by SMS. You can read it until the end of { $until }. Not sure whether this e-mail is genuine? Check that the address bar begins with { $page }/ or call us: { $phone }.
mail-notice-short-mail = { $sender } of { $organisation } has sent you a secure message. Open it with the button and a code that we e-mail to you when you ask for it. You can read it until the end of { $until }. Not sure whether this e-mail is genuine? Check that the address bar begins with { $page }/ or call us: { $phone }.

## Mail: the access code, to the sender

mail-code-subject = Access code for { $recipient }
mail-code-first = Your secure message to { $recipient } is ready. The recipient opens it with this access code:
mail-code-new = There is a new access code for { $recipient }. The old code no longer works. This is the new one:
mail-code-new-strict = There is a new access code for { $recipient }. Messages with extra protection that you had already sent open only with the code of that time. For all other messages this new code holds:
mail-code-give = Pass the code on yourself: by telephone, in person or by post. { $warning }
mail-code-not-by-mail = Do not send this code by e-mail.
mail-code-aloud = You can read this aloud on the telephone:
mail-code-aloud-text = ‘You have received an e-mail from { $organisation }, with the button Open message. You open the message with the access code { $code }. Write the code down: you will need it again.’
mail-code-keep = The code also holds for your next secure messages to this recipient. Keep this e-mail: we cannot show the code again.
mail-code-lost = Is the code lost, or does someone else know it? Ask your administrator for a new code, with the command { $command }. The old code stops working then.
mail-code-lost-strict = Your messages to this recipient have extra protection. If the code is lost, nobody can open those messages any more, and we cannot either. Ask your administrator for a new code, with the command { $command }, and send your messages again after that. Does someone else know the code? Then also ask your administrator to take those messages back.

## Mail: too many wrong codes, to the sender

mail-closed-subject = Closed: your message to { $recipient }
mail-closed-what = A wrong code was entered too often for your secure message of { $date } to { $recipient }. So the message is closed. Nobody can open it now, not even with the right code.
mail-closed-call = Perhaps the recipient made a mistake. Perhaps someone else was trying. Call the recipient on a number that you already know, and ask.
mail-closed-unlock = Was it the recipient? Ask your administrator to open the message again, with this command:
mail-closed-new-code = Has the recipient lost the code? Ask for a new code too, with the command { $command }.
mail-closed-new-code-strict = This message has extra protection. If the recipient no longer knows the code, and you do not either, nobody can open it any more. Ask your administrator for a new code, with the command { $command }, and send the message again after that.
mail-closed-stranger = Was it someone else? Leave the message closed and tell your administrator. The reference is { $reference }.

## Mail: a notice that could not be delivered, to the sender

mail-code-failed-subject = Not delivered: the access code for { $recipient }
mail-code-failed-what = A secure message was sent from { $mailbox } to { $recipient }. The e-mail with the access code did not reach the sender. Without that code the recipient cannot open the message.
mail-code-failed-do = Check that the sender’s mailbox works. Your administrator then makes a new code with { $command }.
mail-undeliverable-subject = Not delivered: your message to { $recipient }
mail-undeliverable-what = On { $date } you sent a secure message to { $recipient }. The e-mail with which the recipient opens the message did not arrive. So the recipient does not know of it yet.
mail-undeliverable-unknown = The address probably does not exist, or is misspelt.
mail-undeliverable-full = The recipient’s mailbox is full.
mail-undeliverable-refused = The recipient’s mail server refuses this e-mail.
mail-undeliverable-unreachable = We tried many times, but the mail server did not take the e-mail.
mail-undeliverable-ended = The message had already expired before the mail server took the e-mail.
mail-undeliverable-answer = This was the last answer:
mail-undeliverable-do = Check the address or call the recipient. Then send your message again. Is the address right? Ask your administrator for help. The reference is { $reference }.

## Mail: what the recipient asks for on the page, to the sender

mail-asked-number-subject = Wrong telephone number: your message to { $recipient }
mail-asked-number-what = { $recipient } says that the telephone number is not right for your secure message of { $date }. The SMS with the code goes to { $number }. The recipient cannot open the message like this.
mail-asked-number-do = Ask the recipient for the right number yourself. Call a number that you already know: someone else may have said this. Then give the number to your administrator, for this command:
mail-asked-number-tag = Or send the recipient a new message with { $tag } at the start of the subject. The new number then holds for this message too.
mail-asked-code-subject = No access code: your message to { $recipient }
mail-asked-code-what = { $recipient } has no access code, or lost it. This is about your secure message of { $date }.
mail-asked-code-do = Do you still have the code? Pass it on yourself, by telephone or in person. Call a number that you already know: someone else may have asked this. Do not send the code by e-mail.
mail-asked-code-new = Do you no longer have the code? Ask your administrator for a new one, with this command:
mail-asked-code-new-strict = This message has extra protection. If you no longer have the code, nobody can open it any more. Ask your administrator for a new code and send the message again after that:
mail-asked-mail-subject = No code received: your message to { $recipient }
mail-asked-mail-what = { $recipient } does not get the e-mail with the code. This is about your secure message of { $date }.
mail-asked-mail-do = Call the recipient on a number that you already know: someone else may have said this. Is the e-mail address right? Then ask your administrator for an access code, with this command. You get the code by e-mail and pass it on yourself, by telephone or in person:
mail-asked-other-subject = Rather in another way: your message to { $recipient }
mail-asked-other-sms = { $recipient } now opens your secure message of { $date } with a code by SMS, and would rather have an access code.
mail-asked-other-code = { $recipient } now opens your secure message of { $date } with an access code, and would rather have a code by SMS.
mail-asked-other-mail = { $recipient } now opens your secure message of { $date } with a code by e-mail, and would rather have an access code.
mail-asked-other-do = You decide. Nothing has changed yet. Talk to the recipient, on a number that you already know: someone else may have asked this. Do you want to change it? Ask your administrator, with this command:
mail-asked-again-subject = Asked to send again: your message to { $recipient }
mail-asked-again-expired = { $recipient } still wants to read your secure message of { $date }. That is no longer possible: the message has expired and has been removed.
mail-asked-again-recalled = { $recipient } still wants to read your secure message of { $date }. That is no longer possible: the message was withdrawn. First make sure that it was meant for this recipient.
mail-asked-again-do = You decide. Should the recipient read it after all? Then send the message again, as a new confidential e-mail. We no longer have it ourselves. Are you in doubt? Call the recipient on a number that you already know: someone else may have asked this.
mail-asked-reference = The reference of the message is { $reference }.

## Mail: no SMS comes, to the sender

mail-sms-subject = No SMS: your message to { $recipient }
mail-sms-what = { $recipient } wanted to open your secure message of { $date } and asked for a code by SMS. That SMS does not come.
mail-sms-number = No SMS can be sent to the number { $number }.
mail-sms-late = The SMS to { $number } did not arrive. Perhaps the number is not right, or the telephone was switched off for long.
mail-sms-number-do = Ask the recipient for the right number. Call a number that you already know. Then pass it on to your administrator, for this command:
mail-sms-ours = The number is { $number }. We could not send the SMS. That has nothing to do with the recipient or the number.
mail-sms-ours-do = Ask your administrator what is wrong. The recipient can try again later. Can it not wait? With this command the recipient gets an access code instead of an SMS:

## Mail: a one-time code by mail does not arrive, to the sender

mail-once-failed-subject = No code: your message to { $recipient }
mail-once-failed-what = { $recipient } wanted to open your secure message of { $date } and asked for a code by e-mail. That e-mail does not come.
mail-once-failed-refused = The recipient's mail server does not accept it. Perhaps the mailbox is full, or the address no longer exists.
mail-once-failed-ours = We could not send the e-mail. That has nothing to do with the recipient.
mail-once-failed-refused-do = Call the recipient on a number that you already know. Ask your administrator for an access code, with this command. You get the code by e-mail and pass it on yourself, by telephone or in person:
mail-once-failed-ours-do = Ask your administrator what is wrong. The recipient can try again later. Can it not wait? With this command you get an access code, which you pass on yourself:

## Mail: the one-time code, to the recipient. mail-once-short is the paragraph in the other language.

mail-once-subject = Your code for the message from { $sender }
mail-once-what = With this code you open the secure message from { $sender } of { $organisation }:
mail-once-until = Enter the code on the page where you asked for it, before { $until }. Give the code to nobody, and not to us either.
mail-once-asked = The code was asked for on { $asked }, on our website. The reference of the message is { $reference }.
mail-once-stranger = Was that not you? Do not use the code, and call us: { $phone }. Perhaps someone else has the link to your message.
mail-once-short = With the code above you open the secure message from { $sender } of { $organisation }, before { $until }. Did you not ask for it? Do not use the code, and call us: { $phone }.

## SMS

sms-code = { $organisation }: your code is { $code }. Do not share it with anyone.
sms-test = { $organisation }: this is a test message. You need not do anything.

## Mail: an answer that was written on the page, to the sender

mail-answer-from = { $name } (by secure mail)
mail-answer-from-address = { $local } at { $domain } (by secure mail)
mail-answer-below =
    This is the answer of { $writer } to your secure message of { $date }. It was written on the website of { $organisation }.
    Would you like to respond? The Reply button cannot do that yet. Send a new confidential e-mail to { $writer }.

## Mail: an answer that did not arrive, to who wrote it

mail-answer-notice-subject = There is an answer to your secure message
mail-answer-notice-what = There is an answer to the secure message that you sent through { $organisation } on { $date }.
mail-answer-notice-where = Your e-mail address is not one of { $organisation }. That is why we do not send you the answer itself. It is in a mailbox of { $organisation }. Call to get it: { $phone }.
mail-answer-lost-subject = Your answer to { $sender }
mail-answer-lost-what = On { $date } you wrote an answer to { $sender }. That answer did not arrive in the sender's mailbox.
mail-answer-lost-passed = We did deliver your answer to another mailbox of { $organisation }. Is your answer urgent? Then call { $sender }: { $phone }.
mail-answer-lost-call = So { $organisation } has not read your answer. Call { $sender }: { $phone }. Your answer is still with the message on our website.
mail-answer-infected-what = On { $date } you wrote an answer to { $sender }. Our check says that one of its attachments holds a virus. That is why we have not delivered your answer. The sender has received nothing of it.
mail-answer-infected-next = Our website says at your answer which file it is. You can answer again without that file. If that does not work, call { $sender }: { $phone }.
mail-answer-lost-reference = The reference of the message is { $reference }.
