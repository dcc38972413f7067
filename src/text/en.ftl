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

## No code, or lost

lost-title = No code, or lost?
lost-call = Call { $sender } and ask for your access code. If the sender no longer knows it, you can get a new one.
lost-phone = The telephone number of { $organisation } is { $phone }.
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
message-empty = This message has no text.
message-cut = This message is too long to show here in full. You can download all of it.
message-files = Attachments
message-file = attachment { $number }
message-original = Download message
message-original-what = As an e-mail file (.eml), { $size }.
message-logout = Log out
message-idle =
    { $minutes ->
        [one] We log you out when you do nothing for 1 minute.
       *[other] We log you out when you do nothing for { $minutes } minutes.
    }
kind-image = Image
kind-mail = E-mail
kind-text = Text

## Pages that only say something: a title and what to do

home-title = Secure messages are read here
home-text = Did you get an e-mail with the button ‘Open bericht’? Press that button to go to your message. You need your access code.
gone-title = This message cannot be found here
gone-text = Perhaps the link was not copied completely, or the message has expired or was withdrawn. Open the link in your e-mail again. If that does not work, call the sender.
ended-title = You are not logged in
ended-text = This happens when you do nothing for a while, or when you have logged out. To read the message, open the link in your e-mail again.
logged-out-title = You are logged out
logged-out-text = To read the message once more, open the link in your e-mail again.
not-found-title = This page does not exist
not-found-text = Check the address, or open the link in your e-mail again.
no-part-title = This attachment does not exist
no-part-text = Go back to the message and choose the attachment again.
refused-title = This is not possible
refused-text = Open the link in your e-mail again and try once more.
too-large-title = This is too much text
too-large-text = Go back and enter only your access code.
busy-title = It is very busy now
busy-text = Try again in a minute. Your message is kept.
broken-title = Something went wrong on our side
broken-text = Your message is kept. Try again in a few minutes. If it keeps going wrong, call us.
